"""Simulated shoppers: people with tastes who look at real pages of a real server, tap, and buy. Seeded."""
