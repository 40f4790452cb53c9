"""Alembic's folder: the tables of the store, revision by revision. `revisions` runs it."""
