"""Offline evaluation: which encoder ranks better, from logs of what people tapped or from attributes of the items.

The way of a figure: `study` (what is compared, declared in TOML) -> `catalogue` and `pictures` -> `encoders` and
`embeddings` -> `attributes` or `logs` (rankings and what is relevant in them) -> `measures` -> `comparison` (intervals,
significance, slices) -> `report`. `precisions` compares the exports of one encoder with each other.
"""
