"""The torch side: train a SigLIP, fit its projection, export pixels -> unit vector as one checked ONNX graph.

Serving never imports this package. What both sides must agree on lives in `ruiji_encoding`.

The way of an encoder: `catalogue` (pictures and titles) -> `training` -> `checkpoints` -> `features` -> `projection` ->
`export`, which ends in a folder with `model.onnx` and `encoder.json`. `demo_recipe` walks it in one call.
"""
