"""Replay: what another ranking would have done, estimated from pages in whose order chance had a known part.

`exploration` puts chance into pages; `logged` reads them back; `target` says what the other ranking would have shown;
`estimators` and `outcome_model` estimate its CTR; `replaying` puts it together and refuses where the log cannot tell.
"""
