"""Reports of an experiment: Markdown, HTML in one file, all figures and the verdict for machines.

Tables, escaping, pages and plots come from `ruiji_evaluation.documents`, the house style of all reports; nothing else
of that package is used.
"""

from ruiji_experiments.report.writing import ReportFiles, write_interleaved_report, write_report

__all__ = ["ReportFiles", "write_interleaved_report", "write_report"]
