"""From candidates to a page: price band, category re-rank, refill. Arithmetic on columns; no SQL, no gRPC."""
