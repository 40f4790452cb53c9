"""Experiments are kept as revisions, of which the last of each is in force."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add to the tables of revision 3."""
    op.create_table(
        "experiment_revisions",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("experiment", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False, comment="ruiji_experiments.definition.stored"),
        sa.Column("action", sa.String(16), nullable=False, comment="store.experiments.Action"),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False),
        sa.Column("restored", sa.BigInteger, comment="the revision whose content was put back"),
        sa.PrimaryKeyConstraint("number", name="pk_experiment_revisions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_experiment_revisions_experiment", "experiment_revisions", ["experiment", "number"])
