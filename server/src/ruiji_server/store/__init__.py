"""The item store: the only truth. SQLAlchemy Core; no gRPC and no index in here."""
