"""Encoders as Triton models: the two repositories, and a supervisor of the tritonserver that a wheel carries."""
