"""Where rows come from: CSV files, or the older inbox's own database by COPY."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from tqdm import tqdm

CONVERSATIONS = """
select id, business_id, customer_number as phone, lead_id, name, started_at, last_message_at,
       last_read_at, status
  from whatsapp_conversation"""
MESSAGES = """
select id, conversation_id, provider_message_id, direction, source, message_type as type, body,
       status, created_at, media, metadata
  from whatsapp_message"""


class Source(Protocol):
    """Two sets of rows as lines of CSV, the first of them the heading."""

    names: tuple[str, str]

    def conversations(self) -> AbstractContextManager[Iterator[str]]:
        """Open the conversations."""

    def messages(self) -> AbstractContextManager[Iterator[str]]:
        """Open the messages."""


class Files:
    """Two files."""

    def __init__(self, conversations: Path, messages: Path) -> None:
        self._paths = conversations, messages
        self.names = conversations.name, messages.name

    def conversations(self) -> AbstractContextManager[Iterator[str]]:
        """Open the conversations."""
        return self._lines(self._paths[0])

    def messages(self) -> AbstractContextManager[Iterator[str]]:
        """Open the messages."""
        return self._lines(self._paths[1])

    @staticmethod
    @contextmanager
    def _lines(path: Path) -> Iterator[Iterator[str]]:
        bar: tqdm[Any]
        with (
            path.open("rb") as file,
            _bar(path.name, total=path.stat().st_size, unit="B", unit_scale=True) as bar,
        ):

            def lines() -> Iterator[str]:
                start = b"\xef\xbb\xbf"  # some programs begin a file with this mark
                for line in file:
                    bar.update(len(line))
                    yield line.removeprefix(start).decode("utf-8", "surrogateescape")
                    start = b""

            yield lines()


class Queries:
    """Two queries, answered as of one moment by a session that cannot write."""

    names = "conversations", "messages"

    def __init__(self, connection: "psycopg.Connection[Any]", *queries: str) -> None:
        self._connection = connection
        self._queries = queries

    @classmethod
    @contextmanager
    def open(cls, dsn: str, conversations: str, messages: str) -> Iterator["Queries"]:
        """Connect to where the rows are."""
        options = "-c default_transaction_read_only=on -c timezone=UTC -c datestyle=ISO"
        with (
            psycopg.connect(dsn, options=options, client_encoding="UTF8") as connection,
            connection.transaction(),
        ):
            connection.execute("set transaction isolation level repeatable read")
            yield cls(connection, conversations, messages)

    def conversations(self) -> AbstractContextManager[Iterator[str]]:
        """Ask for the conversations."""
        return self._lines(0)

    def messages(self) -> AbstractContextManager[Iterator[str]]:
        """Ask for the messages."""
        return self._lines(1)

    @contextmanager
    def _lines(self, number: int) -> Iterator[Iterator[str]]:
        query = self._queries[number].strip().rstrip(";")
        statement = f"copy ({query}) to stdout with (format csv, header)"
        bar: tqdm[Any]
        with (
            self._connection.cursor() as cursor,
            cursor.copy(statement.encode()) as copy,
            _bar(self.names[number], unit=" rows") as bar,
        ):

            def lines() -> Iterator[str]:
                for row in copy:
                    bar.update()
                    yield bytes(row).decode()

            yield lines()


def _bar(name: str, **more: Any) -> "tqdm[Any]":
    return tqdm(desc=name, dynamic_ncols=True, disable=None, **more)
