"""Revisions, oldest first by file name. A released one is never edited."""
