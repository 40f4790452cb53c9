"""Pictures to embeddings through Triton: for queries on the spot, for the catalogue in the background."""
