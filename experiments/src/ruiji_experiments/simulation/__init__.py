"""Simulated units with tastes and habits, whose true figures are known: what the statistics are proven against."""
