"""What the maker of an encoder and its users must agree on: pixels of a picture, the name of an encoder, its gates.

Nothing here needs torch, gRPC or a database, so training, export, embedding workers and the query path share one copy.
"""
