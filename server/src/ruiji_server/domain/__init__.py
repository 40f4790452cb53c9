"""The words of the product as types: items, prices, failures. No SQL, no gRPC, no index."""
