"""All tables.

The columns are written out and not taken from `recsys.store.sql.schema`: what this step makes must never change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(256)


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant", ID, nullable=False)


def _id(name: str, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, ID, nullable=nullable)


def _number(name: str, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _text(name: str, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def upgrade() -> None:
    """Make them."""
    _of_the_shop()
    _of_people()
    _of_the_service()


def _of_the_shop() -> None:
    op.create_table(
        "items", _tenant(), sa.Column("row", sa.Integer, nullable=False), _id("item_id"), _text("record"),
        sa.Column("available", sa.Boolean, nullable=False), _number("version"),
        sa.PrimaryKeyConstraint("tenant", "row", name="pk_items"),
        sa.UniqueConstraint("tenant", "item_id", name="uq_items_item_id"),
    )  # fmt: skip
    op.create_index("ix_items_version", "items", ["tenant", "version"])
    op.create_table(
        "versions", _tenant(), _id("name"), _number("value"),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_versions"),
    )  # fmt: skip


def _of_people() -> None:
    op.create_table(
        "users", _tenant(), _id("user_id"), sa.Column("consent", sa.Boolean), _text("attributes", True),
        _number("created_at"), _number("updated_at"),
        sa.PrimaryKeyConstraint("tenant", "user_id", name="pk_users"),
    )  # fmt: skip
    op.create_table(
        "events", _tenant(), _number("seq"), _id("user_id"), sa.Column("row", sa.Integer, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False), sa.Column("value", sa.Float(53), nullable=False),
        _number("time"), _number("arrival"), _id("event_id", True),
        sa.Column("position", sa.SmallInteger, nullable=False), _id("list_id", True), _text("extra", True),
        sa.PrimaryKeyConstraint("tenant", "seq", name="pk_events"),
        sa.UniqueConstraint("tenant", "event_id", name="uq_events_event_id"),
    )  # fmt: skip
    op.create_index("ix_events_history", "events", ["tenant", "user_id", "time", "arrival"])
    op.create_table(
        "reviews", _tenant(), _number("seq"), _id("user_id"), _id("item_id"), _id("review_id", True), _text("record"),
        sa.PrimaryKeyConstraint("tenant", "seq", name="pk_reviews"),
        sa.UniqueConstraint("tenant", "review_id", name="uq_reviews_review_id"),
    )  # fmt: skip
    op.create_index("ix_reviews_user", "reviews", ["tenant", "user_id"])
    op.create_table(
        "searches", _tenant(), _number("seq"), _id("user_id"), _text("key"), _number("time"), _id("search_id", True),
        _text("record"),
        sa.PrimaryKeyConstraint("tenant", "seq", name="pk_searches"),
        sa.UniqueConstraint("tenant", "search_id", name="uq_searches_search_id"),
    )  # fmt: skip
    op.create_index("ix_searches_user", "searches", ["tenant", "user_id", "time", "seq"])
    op.create_table(
        "edits", _tenant(), _id("user_id"), _id("line_id"), _number("seq"), _text("text", True),
        sa.PrimaryKeyConstraint("tenant", "user_id", "line_id", name="pk_edits"),
    )  # fmt: skip
    op.create_table(
        "lists", _tenant(), _id("list_id"), _id("user_id", True), _number("created_at"), _id("kind"),
        _id("bundle_id"), _id("variant"), _id("experiment", True), _id("arm", True), _id("place", True),
        _text("record"),
        sa.PrimaryKeyConstraint("tenant", "list_id", name="pk_lists"),
    )  # fmt: skip
    op.create_index("ix_lists_user", "lists", ["tenant", "user_id", "created_at"])
    op.create_index("ix_lists_created", "lists", ["tenant", "created_at"])


def _of_the_service() -> None:
    op.create_table(
        "keys", _tenant(), _id("key_id"), _id("name"), sa.Column("digest", sa.String(64), nullable=False),
        _text("scopes"), _text("forced_filter", True), sa.Column("rate_per_s", sa.Float(53)),
        sa.Column("burst", sa.Integer), _number("created_at"), _number("expires_at", True),
        _number("revoked_at", True),
        sa.PrimaryKeyConstraint("tenant", "key_id", name="pk_keys"),
        sa.UniqueConstraint("key_id", name="uq_keys_key_id"),
    )  # fmt: skip
    op.create_table(
        "models", _tenant(), _number("seq"), _id("name"), _id("bundle_id"), _id("role"), _number("activated_at"),
        sa.PrimaryKeyConstraint("tenant", "seq", name="pk_models"),
    )  # fmt: skip
    op.create_table(
        "jobs", _tenant(), _id("job_id"), _id("kind"), _id("state"), _text("progress"), _number("started_at"),
        _number("ended_at", True),
        sa.PrimaryKeyConstraint("tenant", "job_id", name="pk_jobs"),
    )  # fmt: skip
    op.create_table(
        "audit", _tenant(), _number("seq"), _number("at"), _id("actor"), _id("action"), _id("subject"),
        _text("detail"),
        sa.PrimaryKeyConstraint("tenant", "seq", name="pk_audit"),
    )  # fmt: skip
    op.create_table(
        "erasures", _tenant(), _id("proof_id"), _number("at"),
        sa.Column("subject_digest", sa.String(64), nullable=False), _text("counts"),
        sa.PrimaryKeyConstraint("tenant", "proof_id", name="pk_erasures"),
    )  # fmt: skip
