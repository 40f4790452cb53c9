"""Interleaving: two rankings share one page, and taps say which is better, with far fewer units than an A/B test."""
