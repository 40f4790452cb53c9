"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ITEM_ID = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "store_properties",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_store_properties"),
    )
    op.create_table(
        "items",
        sa.Column("item_id", _ITEM_ID, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("category_path", sa.Text, nullable=False, comment="JSON array, root to leaf"),
        sa.Column("state", sa.SmallInteger, nullable=False, comment="domain.items.ItemState"),
        sa.Column("picture_sha256", sa.String(64), nullable=False),
        sa.Column("picture_uri", sa.Text, comment="NULL where the bytes are in item_pictures"),
        sa.Column("feed_position", sa.BigInteger, nullable=False),
        sa.Column("updated_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("item_id", name="pk_items"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "item_pictures",
        sa.Column("item_id", _ITEM_ID, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("item_id", name="pk_item_pictures"),
    )
    op.create_table(
        "feed",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("item_id", _ITEM_ID, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_feed"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "encoders",
        sa.Column("encoder_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("dimensions", sa.Integer, nullable=False),
        sa.Column("registered_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("encoder_id", name="pk_encoders"),
    )
    op.create_table(
        "embeddings",
        sa.Column("encoder_id", sa.String(64), nullable=False),
        sa.Column("item_id", _ITEM_ID, nullable=False),
        sa.Column("picture_sha256", sa.String(64), nullable=False, comment="of the picture that was embedded"),
        sa.Column("vector", sa.LargeBinary, nullable=False, comment="little-endian float32, unit length"),
        sa.PrimaryKeyConstraint("encoder_id", "item_id", name="pk_embeddings"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "embedding_tasks",
        sa.Column("encoder_id", sa.String(64), nullable=False),
        sa.Column("item_id", _ITEM_ID, nullable=False),
        sa.Column("picture_sha256", sa.String(64), nullable=False),
        sa.Column("parked", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column(
            "available_at_us",
            sa.BigInteger,
            nullable=False,
            comment="end of the lease or of the pause before a retry",
        ),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(64), comment="domain.errors.Reason of the last failure"),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("encoder_id", "item_id", name="pk_embedding_tasks"),
    )
    op.create_index("ix_embedding_tasks_due", "embedding_tasks", ["encoder_id", "parked", "available_at_us"])
    op.create_table(
        "applied_requests",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text, nullable=False, comment="JSON of the outcomes, for a repeated request"),
        sa.Column("applied_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_applied_requests"),
    )
    op.create_index("ix_applied_requests_applied_at_us", "applied_requests", ["applied_at_us"])
