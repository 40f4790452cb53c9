"""TensorRT engines: which layer computes in what is decided here, on the ONNX graph, and not by TensorRT."""
