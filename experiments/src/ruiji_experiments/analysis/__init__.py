"""What an experiment found: `settings` -> `log` and `counts` (from events to sums by unit) -> `analysing` -> `results`.

The statistics stand alone: `ratio` (delta method), `bootstrap`, `cuped`, `sequential`, `quantile`, `assignment_check`,
`multiplicity`, `guardrails`, `sample_size`.
"""
