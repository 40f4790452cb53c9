"""Nearest neighbours by cosine: approximate through usearch, exact by matrix products. No SQL, no gRPC."""
