"""The demo: a rendered catalogue, the encoder that ships with it, and the gallery page that shows similar items."""
