"""The looks of reports, whatever they report: tables of text, Markdown, pages in one file, plots.

`ruiji_experiments.report` uses it too, so that all of Ruiji's reports look and escape alike.
"""
