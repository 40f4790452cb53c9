"""What the maker of an encoder and its users must agree on: how a picture becomes pixels, which encoder is
which, and how close its exports and engines have to stay to it.

Nothing here needs torch, gRPC or a database, so training, export, embedding workers and the query path share one copy.
"""
