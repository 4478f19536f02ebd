"""A listener's calls one by one, and what it heard: docs/push.md tells when to make which."""

import json
import uuid
from typing import Any, Self

from psycopg import Notify, sql

from tests.support import PATIENCE, Json, connect, succeed

SO_FAR = "so far"
NOTHING: Json = {"events": [], "transactions": 0, "missed": False}


def events_in(lines: str) -> list[Json]:
    """Return the events of a look, or of a ring: two lines each."""
    read = list(map(json.loads, lines.split("\n")))
    return [{**about, "event": event} for about, event in zip(read[::2], read[1::2], strict=True)]


class Listener:
    """A session that listens, attached and past its first look; rung with events if it likes."""

    def __init__(self, dsn: str, *, with_content: bool = False) -> None:
        self.connection = connect(dsn)
        self.pid = self.connection.info.backend_pid
        self.connection.execute("listen parley")
        self._ringer = connect(dsn)
        self.heard: list[Json] = []
        self.id = 0
        self.with_content = with_content
        self.snapshot: str | None = None
        self.attach()

    def attach(self) -> None:
        """Become a listener, once more if need be: what comes from now on is heard."""
        attached = succeed(self.connection, "push_attach", with_content=self.with_content)
        self.id = attached["listener_id"]
        if self.with_content:
            own = sql.Identifier(attached["own_channel"])
            self.connection.execute(sql.SQL("listen {}").format(own))
        self.snapshot = None
        self.fetch()

    def fetch(self) -> Json:
        """Look, without falling asleep or waking up."""
        return self._look("push_fetch")

    def sleep(self) -> Json:
        """Try to fall asleep."""
        return self._look("push_sleep")

    def fall_asleep(self) -> Self:
        """Fall asleep, with nothing to hear and nobody in the way."""
        answer = self.sleep()
        assert answer["asleep"], answer
        return self

    def wake(self) -> Json:
        """Wake up and look."""
        return self._look("push_wake")

    def rung(self) -> list[str]:
        """Return what the bell has told; a ring of our own tells that all before have come."""
        so_far = f"{SO_FAR} {uuid.uuid4()}"
        self._ringer.execute("select pg_notify('parley', %s)", [so_far])
        rings: list[str] = []
        for ring in self.connection.notifies(timeout=PATIENCE):
            if ring.payload == so_far:
                return rings
            if not ring.payload.startswith(SO_FAR):
                rings.append(ring.payload)
        raise AssertionError("our own ring did not come")

    def rings(self) -> int:
        """Count how often the bell has rung."""
        return len(self.rung())

    def next_ring(self, timeout: float = PATIENCE) -> Notify | None:
        """Wait for the bell."""
        return next(self.connection.notifies(timeout=timeout, stop_after=1), None)

    def holds_lock(self) -> bool:
        """Tell whether writers see it asleep."""
        row = self._ringer.execute(
            "select from pg_locks where pid = %s and locktype = 'advisory' and objid = %s",
            [self.pid, self.id],
        ).fetchone()
        return row is not None

    def contents(self) -> list[Any]:
        """Return what the messages it heard say, in the order they came."""
        return [one["event"].get("message", {}).get("content") for one in self.heard]

    def close(self) -> None:
        """End its session, asleep or not."""
        self.connection.close()
        self._ringer.close()

    def _look(self, function: str) -> Json:
        answer = succeed(self.connection, function, listener_id=self.id, snapshot=self.snapshot)
        self.snapshot = answer["snapshot"]
        if isinstance(answer["events"], str):
            answer["events"] = events_in(answer["events"])
        self.heard += answer["events"]
        return answer
