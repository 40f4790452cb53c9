"""What the maker of an encoder and its users must agree on: how a picture becomes pixels, and which encoder is which.

Nothing here needs torch, gRPC or a database, so training, export, embedding workers and the query path share one copy.
"""
