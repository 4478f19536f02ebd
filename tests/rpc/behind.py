"""What tests of the surface need beside it: the tables behind it, and other callers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from tests.support import Connection, Json

MESSAGE_KEYS = {
    "id",
    "conversation_id",
    "seq",
    "sender_id",
    "sender_name",
    "source",
    "type",
    "content",
    "metadata",
    "reply_to_id",
    "client_message_id",
    "created_at",
    "edited_at",
    "deleted_at",
    "reactions",
}
CONVERSATION_KEYS = {
    "conversation_id",
    "kind",
    "title",
    "canonical_key",
    "metadata",
    "created_by",
    "created_at",
    "closed_at",
    "history",
    "last_seq",
    "last_message_at",
    "member_count",
}
LISTED_KEYS = CONVERSATION_KEYS | {
    "unread_count",
    "last_message",
    "members",
    "read_seq",
    "delivered_seq",
    "role",
    "notify",
    "muted_until",
}
REFUSAL_KEYS = {"success", "error", "code", "message", "details", "hint"}


@contextmanager
def acting_as(db: Connection, role: str, claims: Json | str | None = None) -> Iterator[None]:
    """Be another role for a while, with or without a token's claims."""
    _become(db, role, claims)
    yield
    _become(db, "parley_api", None)


@contextmanager
def as_service(db: Connection) -> Iterator[None]:
    """Be a service for a while, then again whoever one was."""
    row = db.execute(
        "select current_setting('role'), current_setting('request.jwt.claims', true)"
    ).fetchone()
    assert row
    _become(db, "parley_api", None)
    yield
    _become(db, row[0], row[1] or None)


def rows(db: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask the tables, or change them, as whoever owns the server."""
    db.execute("set local role none")
    cursor = db.execute(sql.SQL(query), [_adapted(value) for value in values] or None)
    found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
    db.execute("set local role parley_api")
    return found


def value(db: Connection, query: str, *values: Any) -> Any:
    """Ask the tables for one value."""
    return rows(db, query, *values)[0][0]


def set_limit(db: Connection, name: str, limit: int) -> None:
    """Change one of chat.limits for this test."""
    rows(db, f"update chat.limits set {name} = %s", limit)


def events(db: Connection, conversation_id: str) -> list[Json]:
    """Return what listeners are told of a conversation, in order."""
    return [event for event, _ in published(db, conversation_id)]


def published(db: Connection, conversation_id: str) -> list[tuple[Json, list[str]]]:
    """Return the events of a conversation and, of each, who gets a skip instead."""
    found = rows(
        db,
        "select o.event::jsonb, coalesce(o.excluded_user_ids, '{}') from chat.outbox o"
        " where o.conversation_id = %s order by o.xid, o.position",
        conversation_id,
    )
    return [(event, [str(user) for user in excluded]) for event, excluded in found]


def response_status(db: Connection) -> str | None:
    """Return the status PostgREST would answer with, if the function set one."""
    row = db.execute("select nullif(current_setting('response.status', true), '')").fetchone()
    return row[0] if row else None


def forget_status(db: Connection) -> None:
    """Start as a new request does."""
    db.execute("select set_config('response.status', '', true)")


def _become(db: Connection, role: str, claims: Json | str | None) -> None:
    text = claims if isinstance(claims, str) else Jsonb(claims) if claims is not None else ""
    db.execute("select set_config('request.jwt.claims', (%s)::text, true)", [text])
    db.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))


def _adapted(given: Any) -> Any:
    return Jsonb(given) if isinstance(given, dict) else given
