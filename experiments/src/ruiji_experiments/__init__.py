"""Experiments: their definition, assignment, analysis and replay."""
