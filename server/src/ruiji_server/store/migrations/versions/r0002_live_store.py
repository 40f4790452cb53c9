"""Feed entries say whose embedding is new; tasks of a new encoder are given bit by bit; PostgreSQL is tuned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the tables of the first release."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    item_id = sa.String(128, collation="C") if postgresql else sa.String(128)
    op.drop_table("store_properties")  # Alembic's own table says the revision from now on
    op.add_column(
        "feed",
        sa.Column("encoder_id", sa.String(64), comment="whose embedding is new; NULL where the item changed"),
    )
    op.add_column(
        "encoders",
        sa.Column("tasks_given_to", item_id, comment="items up to here have their tasks; NULL once all have"),
    )
    if postgresql:
        # Pictures are compressed already; trying again only costs time.
        op.execute("ALTER TABLE item_pictures ALTER COLUMN content SET STORAGE EXTERNAL")
        # Tasks come and go all the time: vacuum them long before a fifth of a large table is dead.
        op.execute("ALTER TABLE embedding_tasks SET (autovacuum_vacuum_scale_factor = 0.02)")
        # Room on each page for the next price of its items, which then touches no index.
        op.execute("ALTER TABLE items SET (fillfactor = 85)")
