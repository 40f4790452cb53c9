"""What reports of experiments found is kept, for whoever looks at the experiments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add to the tables of revision 4."""
    op.create_table(
        "experiment_reports",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("experiment", sa.String(64), nullable=False),
        sa.Column(
            "request_id",
            sa.String(64),
            nullable=False,
            comment="the publisher's, so that a repeated call adds nothing",
        ),
        sa.Column("content", sa.Text, nullable=False, comment="ruiji.v1.ExperimentReport as JSON"),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("published_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_experiment_reports"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_experiment_reports_experiment", "experiment_reports", ["experiment", "number"])
    op.create_index("ix_experiment_reports_request", "experiment_reports", ["experiment", "request_id"], unique=True)
