"""Deadlines for people who look: they would rather wait than be told that a busy machine was late."""

from __future__ import annotations

from ruiji_client import Deadlines

PATIENT = Deadlines(similar_items_s=20.0, similar_items_by_picture_s=60.0, info_s=20.0)
