"""The item store, the index, ranking, embedding workers and the gRPC services."""
