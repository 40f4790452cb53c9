"""The limits of requests, as `RecommendationService.Info` reports them. Pictures have theirs in ruiji_encoding."""

from __future__ import annotations

MAX_PAGE_SIZE = 200
DEFAULT_PAGE_SIZE = 20
MAX_BATCH_ITEMS = 500
MAX_BATCH_QUERIES = 500
MAX_ITEM_ID_BYTES = 128
MAX_REQUEST_ID_CHARS = 64
MAX_TITLE_CHARS = 1_000
MAX_CATEGORY_DEPTH = 16
MAX_CATEGORY_NAME_CHARS = 100
MAX_EXCLUDED_ITEMS = 1_000
MAX_PRICE_MINOR = 10**15
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Room for three of the largest pictures in one batch."""
