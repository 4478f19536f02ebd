"""Webhooks that are kept but not taken in: which there are, and taking them in again."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import psycopg
from psycopg import sql

from thin_api.providers import Provider
from thin_api.providers.twilio import Twilio
from thin_api.providers.whatsapp import WhatsApp

Connection = psycopg.Connection[Any]

OPERATOR = "parley_operator"
READERS: Mapping[str, Provider] = {
    one.name: one for one in (WhatsApp(app_secret=None), Twilio(auth_token=None, public_url=None))
}

PENDING = """
select w.digest, w.provider, w.received_at, w.problem
  from chat.webhooks w
 where w.processed_at is null
 order by w.received_at, w.digest"""
PAYLOAD = "select w.payload from chat.webhooks w where w.digest = %s"
RECEIVE = "select api.receive_webhooks_atomic(p_webhooks => %s::jsonb)"


class Kept(NamedTuple):
    """One webhook that could not be taken in."""

    digest: bytes
    provider: str
    received_at: datetime
    problem: str | None


def pending(connection: Connection) -> list[Kept]:
    """List them, oldest first."""
    with connection.transaction():
        _become(connection, OPERATOR)
        return [Kept(*row) for row in connection.execute(PENDING)]


def take_in(connection: Connection, role: str, webhooks: list[Kept]) -> Iterator[str | None]:
    """Take each in again; yield what is wrong with it, or None."""
    for webhook in webhooks:
        try:
            yield _problem(connection, role, webhook)
        except psycopg.Error as error:
            if connection.closed:
                raise
            yield f"SQLSTATE {error.sqlstate}"
        except Exception as error:  # an adapter's bug; its message could quote content
            yield type(error).__name__


def _problem(connection: Connection, role: str, webhook: Kept) -> str | None:
    reader = READERS.get(webhook.provider)
    if reader is None:
        return f"no adapter reads {webhook.provider}"
    with connection.transaction():
        _become(connection, OPERATOR)
        row = connection.execute(PAYLOAD, [webhook.digest]).fetchone()
    if row is None:
        return None  # trimmed meanwhile
    events = reader.parse(row[0], webhook.received_at)
    one = {"provider": webhook.provider, "payload": row[0], "events": events}
    with connection.transaction():
        _become(connection, role)
        told = connection.execute(RECEIVE, [orjson.dumps([one]).decode()]).fetchone()
    result = told[0] if told else {}
    if not result.get("success"):
        return str(result.get("error"))
    refused = result["results"][0].get("refused", ())
    return ", ".join(f"{one['error']}: {one['message']}" for one in refused) or None


def _become(connection: Connection, role: str) -> None:
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
