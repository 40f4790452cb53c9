"""Reports of an evaluation: Markdown, HTML in one file, pages of pictures, and figures for machines."""

from ruiji_evaluation.report.writing import ReportFiles, write_report

__all__ = ["ReportFiles", "write_report"]
