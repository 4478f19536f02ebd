"""Where threads go: Parley's own functions, one transaction a thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
from psycopg import errors, sql

from thin_api.importing.rows import ImportingError

ATTEMPTS = 5  # for what only met somebody else's writing
TRY_AGAIN = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation)

Json = dict[str, Any]


class Target:
    """A connection as the service the thin layer is."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, dsn: str, role: str) -> Iterator["Target"]:
        """Connect."""
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            yield cls(connection)

    def channel(self, provider: str, address: str, tenant_id: str) -> str:
        """Find the channel of an address, or make it; its id."""
        query = (
            "select api.upsert_channel_atomic(p_provider => %s, p_address => %s, p_tenant_id => %s)"
        )
        result = self._ask(query, provider, address, tenant_id)
        if not result["success"]:
            raise ImportingError(f"channel {address}: {result['message']}")
        channel_id: str = result["channel"]["channel_id"]
        return channel_id

    def add(self, tenant_id: str, document: Json) -> Json:
        """Import a thread, or be told why not."""
        query = "select api.import_thread_atomic(p_tenant_id => %s, p_thread => %s::jsonb)"
        text = orjson.dumps(document).decode()
        for _ in range(ATTEMPTS - 1):
            try:
                return self._ask(query, tenant_id, text)
            except TRY_AGAIN:
                continue
        return self._ask(query, tenant_id, text)

    def _ask(self, query: str, *values: str) -> Json:
        row = self._connection.execute(query.encode(), values).fetchone()
        result: Json = row[0] if row else {}
        return result
