"""Encoders have a state, a share of requests and a rate, and every change of these is kept; the feed can be trimmed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add to the tables of revision 2; the encoder that was registered first is the promoted one."""
    op.add_column(
        "feed", sa.Column("appended_at_us", sa.BigInteger, comment="NULL where the entry is older than this column")
    )
    op.create_table(
        "feed_trims",
        sa.Column(
            "trimmed_to", sa.BigInteger, autoincrement=False, nullable=False, comment="no entry up to here is left"
        ),
        sa.Column("trimmed_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("trimmed_to", name="pk_feed_trims"),
    )
    for column in (
        sa.Column(
            "state",
            sa.String(16),
            nullable=False,
            server_default=sa.text("'active'"),
            comment="store.rollout.EncoderState",
        ),
        sa.Column(
            "request_share",
            sa.Float,
            nullable=False,
            server_default=sa.text("0"),
            comment="of an active encoder, 0 to 1",
        ),
        sa.Column("rate_per_s", sa.Float, comment="most pictures embedded in a second; NULL for no bound"),
        sa.Column(
            "paced_until_us",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="see store.pacing",
        ),
        sa.Column("promoted_over", sa.String(64), comment="the encoder that a rollback promotes again"),
    ):
        op.add_column("encoders", column)
    op.create_table(
        "encoder_changes",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
        sa.Column("encoder_id", sa.String(64), nullable=False),
        sa.Column("change", sa.String(32), nullable=False, comment="store.rollout.Change"),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_encoder_changes"),
        sqlite_autoincrement=True,
    )
    op.execute(
        "UPDATE encoders SET state = 'promoted' WHERE encoder_id ="
        " (SELECT encoder_id FROM encoders ORDER BY registered_at_us, encoder_id LIMIT 1)"
    )
    op.create_index(
        "ix_encoders_promoted",
        "encoders",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'promoted'"),
        postgresql_where=sa.text("state = 'promoted'"),
    )
    op.create_index(
        "ix_embedding_tasks_parked",
        "embedding_tasks",
        ["encoder_id", "reason"],
        sqlite_where=sa.text("parked IS 1"),
        postgresql_where=sa.text("parked IS true"),
    )
