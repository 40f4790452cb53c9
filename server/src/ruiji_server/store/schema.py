"""Tables of the item store.

Times are microseconds since 1970 UTC. A deleted item leaves no row but its entry in the feed.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = 1

_NAMING = {"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}
metadata = MetaData(naming_convention=_NAMING)

# SQLite numbers rows only where the key is INTEGER; PostgreSQL should count past 2^31.
_FeedPosition = BigInteger().with_variant(Integer, "sqlite")

store_properties = Table(
    "store_properties",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

items = Table(
    "items",
    metadata,
    Column("item_id", String(128), primary_key=True),
    Column("title", Text, nullable=False),
    Column("price_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("category_path", Text, nullable=False, comment="JSON array, root to leaf"),
    Column("state", SmallInteger, nullable=False, comment="domain.items.ItemState"),
    Column("picture_sha256", String(64), nullable=False),
    Column("picture_uri", Text, comment="NULL where the bytes are in item_pictures"),
    Column("feed_position", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

item_pictures = Table(
    "item_pictures",
    metadata,
    Column("item_id", String(128), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

feed = Table(
    "feed",
    metadata,
    Column("position", _FeedPosition, primary_key=True, autoincrement=True),
    Column("item_id", String(128), nullable=False),
    sqlite_autoincrement=True,  # or SQLite would give the number of a removed last row again
)

encoders = Table(
    "encoders",
    metadata,
    Column("encoder_id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("registered_at_us", BigInteger, nullable=False),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("encoder_id", String(64), primary_key=True),
    Column("item_id", String(128), primary_key=True),
    Column("picture_sha256", String(64), nullable=False, comment="of the picture that was embedded"),
    Column("vector", LargeBinary, nullable=False, comment="little-endian float32, unit length"),
    sqlite_with_rowid=False,
)

embedding_tasks = Table(
    "embedding_tasks",
    metadata,
    Column("encoder_id", String(64), primary_key=True),
    Column("item_id", String(128), primary_key=True),
    Column("picture_sha256", String(64), nullable=False),
    Column("parked", Boolean(create_constraint=False), nullable=False, default=False),
    Column("available_at_us", BigInteger, nullable=False, comment="end of the lease or of the pause before a retry"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("reason", String(64), comment="domain.errors.Reason of the last failure"),
    Column("message", Text),
    Index("ix_embedding_tasks_due", "encoder_id", "parked", "available_at_us"),
)

applied_requests = Table(
    "applied_requests",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("content_sha256", String(64), nullable=False),
    Column("answer", Text, nullable=False, comment="JSON of the outcomes, for a repeated request"),
    Column("applied_at_us", BigInteger, nullable=False, index=True),
)
