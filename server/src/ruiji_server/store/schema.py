"""Tables of the item store, as the newest revision in `migrations/` leaves them.

Times are microseconds since 1970 UTC. A deleted item leaves no row but its entry in the feed.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

SCHEMA_REVISION = "0005"
"""The Alembic revision that makes these tables."""

_NAMING = {"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}
metadata = MetaData(naming_convention=_NAMING)

# SQLite numbers rows only where the key is INTEGER; PostgreSQL should count past 2^31.
_Numbered = BigInteger().with_variant(Integer, "sqlite")
# Ids sort by their UTF-8 bytes, whatever the database's language. SQLite does so by itself.
_ItemId = String(128).with_variant(String(128, collation="C"), "postgresql")

items = Table(
    "items",
    metadata,
    Column("item_id", _ItemId, primary_key=True),
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
    Column("item_id", _ItemId, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

feed = Table(
    "feed",
    metadata,
    Column("position", _Numbered, primary_key=True, autoincrement=True),
    Column("item_id", _ItemId, nullable=False),
    Column("encoder_id", String(64), comment="whose embedding is new; NULL where the item changed"),
    Column("appended_at_us", BigInteger, comment="NULL where the entry is older than this column"),
    sqlite_autoincrement=True,  # or SQLite would give the number of a removed last row again
)

feed_trims = Table(
    "feed_trims",
    metadata,
    Column("trimmed_to", BigInteger, primary_key=True, autoincrement=False, comment="no entry up to here is left"),
    Column("trimmed_at_us", BigInteger, nullable=False),
)

encoders = Table(
    "encoders",
    metadata,
    Column("encoder_id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("registered_at_us", BigInteger, nullable=False),
    Column("tasks_given_to", _ItemId, comment="items up to here have their tasks; NULL once all have"),
    Column("state", String(16), nullable=False, server_default=text("'active'"), comment="store.rollout.EncoderState"),
    Column("request_share", Float, nullable=False, server_default=text("0"), comment="of an active encoder, 0 to 1"),
    Column("rate_per_s", Float, comment="most pictures embedded in a second; NULL for no bound"),
    Column("paced_until_us", BigInteger, nullable=False, server_default=text("0"), comment="see store.pacing"),
    Column("promoted_over", String(64), comment="the encoder that a rollback promotes again"),
    Index(
        "ix_encoders_promoted",
        "state",
        unique=True,
        sqlite_where=text("state = 'promoted'"),
        postgresql_where=text("state = 'promoted'"),
    ),
)

encoder_changes = Table(
    "encoder_changes",
    metadata,
    Column("number", _Numbered, primary_key=True, autoincrement=True),
    Column("changed_at_us", BigInteger, nullable=False),
    Column("encoder_id", String(64), nullable=False),
    Column("change", String(32), nullable=False, comment="store.rollout.Change"),
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("encoder_id", String(64), primary_key=True),
    Column("item_id", _ItemId, primary_key=True),
    Column("picture_sha256", String(64), nullable=False, comment="of the picture that was embedded"),
    Column("vector", LargeBinary, nullable=False, comment="little-endian float32, unit length"),
    sqlite_with_rowid=False,
)

embedding_tasks = Table(
    "embedding_tasks",
    metadata,
    Column("encoder_id", String(64), primary_key=True),
    Column("item_id", _ItemId, primary_key=True),
    Column("picture_sha256", String(64), nullable=False),
    Column("parked", Boolean(create_constraint=False), nullable=False, default=False),
    Column("available_at_us", BigInteger, nullable=False, comment="end of the lease or of the pause before a retry"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("reason", String(64), comment="domain.errors.Reason of the last failure"),
    Column("message", Text),
    Index("ix_embedding_tasks_due", "encoder_id", "parked", "available_at_us"),
    # Few of the tasks, counted by reason.
    Index(
        "ix_embedding_tasks_parked",
        "encoder_id",
        "reason",
        sqlite_where=text("parked IS 1"),
        postgresql_where=text("parked IS true"),
    ),
)

applied_requests = Table(
    "applied_requests",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("content_sha256", String(64), nullable=False),
    Column("answer", Text, nullable=False, comment="JSON of the outcomes, for a repeated request"),
    Column("applied_at_us", BigInteger, nullable=False, index=True),
)

experiment_revisions = Table(
    "experiment_revisions",
    metadata,
    Column("number", _Numbered, primary_key=True, autoincrement=True),
    Column("experiment", String(64), nullable=False),
    Column("content", Text, nullable=False, comment="ruiji_experiments.definition.stored"),
    Column("action", String(16), nullable=False, comment="store.experiments.Action"),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False),
    Column("restored", BigInteger, comment="the revision whose content was put back"),
    Index("ix_experiment_revisions_experiment", "experiment", "number"),
    sqlite_autoincrement=True,
)

experiment_reports = Table(
    "experiment_reports",
    metadata,
    Column("number", _Numbered, primary_key=True, autoincrement=True),
    Column("experiment", String(64), nullable=False),
    Column("request_id", String(64), nullable=False, comment="the publisher's, so that a repeated call adds nothing"),
    Column("content", Text, nullable=False, comment="ruiji.v1.ExperimentReport as JSON"),
    Column("author", Text, nullable=False),
    Column("published_at_us", BigInteger, nullable=False),
    Index("ix_experiment_reports_experiment", "experiment", "number"),
    Index("ix_experiment_reports_request", "experiment", "request_id", unique=True),
    sqlite_autoincrement=True,
)
