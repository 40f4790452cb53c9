"""The gRPC services: messages in, domain calls, messages out. No SQL and no index in here."""
