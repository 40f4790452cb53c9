"""Logs of what people were shown and what they tapped: the format, reading it, and evaluating encoders on it."""
