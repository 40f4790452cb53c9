"""The web page that shows what Ruiji recommends, and why; one more client of the gRPC API."""
