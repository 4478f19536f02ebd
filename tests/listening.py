"""A listener's calls one by one, and what it heard: docs/push.md tells when to make which."""

from typing import Any, Self

from psycopg import Notify

from tests.support import PATIENCE, Json, connect, succeed

NOTHING: Json = {"events": [], "transactions": 0, "missed": False}


class Listener:
    """A session that listens, attached and past its first look."""

    def __init__(self, dsn: str) -> None:
        self.connection = connect(dsn)
        self.pid = self.connection.info.backend_pid
        self.connection.execute("listen parley")
        self._ringer = connect(dsn)
        self.heard: list[Json] = []
        self.id = 0
        self.snapshot: str | None = None
        self.attach()

    def attach(self) -> None:
        """Become a listener, once more if need be: what comes from now on is heard."""
        self.id = succeed(self.connection, "push_attach")["listener_id"]
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

    def rings(self) -> int:
        """Count how often the bell has rung; a ring of our own tells that all before have come."""
        self._ringer.execute("select pg_notify('parley', 'so far')")
        rings = 0
        for ring in self.connection.notifies(timeout=PATIENCE):
            if is_ours := ring.payload == "so far":
                break
            rings += 1
        assert is_ours
        return rings

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
        self.heard += answer["events"]
        return answer
