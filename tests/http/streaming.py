"""What tests of run streams say: somebody with a thread, a worker played by the test, a reader."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

from tests.http.support import Site, serving, settings_for, token
from tests.rpc.assistant import runs
from tests.support import PATIENCE, Connection, Json, connect, new_user, wait_for

THREADS = "/api/v1/chatkit/threads"


class Told(NamedTuple):
    """One event of a stream."""

    event: str
    id: str | None
    data: Json


class Reader:
    """Reads a stream event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments = 0
        self._blocks = self._read()

    def next(self) -> Told:
        """Return the next event; EOFError at the end."""
        for block in self._blocks:
            if block == ":":
                self.comments += 1
                continue
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            if "data" in fields:
                assert fields.keys() <= {"event", "id", "data"}
                return Told(fields["event"], fields.get("id"), json.loads(fields["data"]))
            assert fields == {"retry": "1000"}
        raise EOFError

    def rest(self) -> list[Told]:
        """Return what comes until the server ends it."""
        return list(self.rest_as_it_comes())

    def rest_as_it_comes(self) -> Iterator[Told]:
        """Yield what comes until the server ends it."""
        with contextlib.suppress(EOFError):
            while True:
                yield self.next()

    def next_comment(self) -> None:
        """Read until the server shows that it is there."""
        assert next(block for block in self._blocks if block != "retry: 1000") == ":"

    def close(self) -> None:
        """Leave."""
        self.response.close()

    def _read(self) -> Iterator[str]:
        waiting = ""
        for text in self.response.iter_text():
            *blocks, waiting = (waiting + text).split("\n\n")
            yield from blocks
        assert not waiting


def names(told: list[Told]) -> list[str]:
    """Return the names of events."""
    return [one.event for one in told]


def said(told: list[Told], have: str = "") -> str:
    """Return the answer as a reader has it who puts the pieces where they belong."""
    for one in told:
        if one.event == "run_delta":
            assert one.data["offset"] in (0, len(have)), told
            have = have[: one.data["offset"]] + one.data["content"]
            assert one.id == f"{one.data['attempt']}:{len(have)}"
    return have


@dataclasses.dataclass
class Talk:
    """Somebody with a thread, on a server without a worker: the test is one."""

    site: Site
    db: Connection
    stack: contextlib.ExitStack
    user: str
    thread: str
    client: httpx.Client

    @property
    def path(self) -> str:
        """Return the path of the thread's runs."""
        return f"{THREADS}/{self.thread}/runs"

    def ask(self, content: str = "why?", **more: Any) -> Json:
        """Ask for an answer; the run."""
        answer = self.client.post(self.path, json={"content": content, **more})
        assert answer.status_code == 201, answer.text
        run: Json = answer.json()["data"]
        return run

    def work(self) -> Json:
        """Claim what this thread waits for; the run with its lease."""
        run = runs.claim(self.db)
        assert run["thread"]["id"] == self.thread
        return run

    def ask_and_read(self, content: str = "why?", *, by: str | None = None, **more: Any) -> Reader:
        """Ask for an answer as a stream."""
        body = {"content": content, "stream": True, **more}
        return self._open("POST", self.path, by=by, json=body)

    def read(self, run_id: str, *, site: Site | None = None, **options: Any) -> Reader:
        """Follow a run."""
        return self._open("GET", f"{self.path}/{run_id}/events", site=site, **options)

    def run(self, run_id: str) -> Json:
        """Return a run as GET tells it."""
        told: Json = self.client.get(f"{self.path}/{run_id}").json()
        return told

    def streams(self) -> float:
        """Return how many streams the server has open."""
        lines = httpx.get(f"{self.site.url}/metrics").text.splitlines()
        wanted = 'parley_sockets{kind="run"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(wanted))

    def wait_until_left(self) -> None:
        """Wait until the server has noticed that nobody reads any more."""
        wait_for(lambda: not self.streams(), "the server to notice")

    def _open(
        self,
        method: str,
        path: str,
        *,
        site: Site | None = None,
        by: str | None = None,
        headers: Json | None = None,
        **options: Any,
    ) -> Reader:
        bearer = {"Authorization": f"Bearer {by or token(self.user)}"} if by != "" else {}
        client = self.stack.enter_context(
            httpx.Client(base_url=(site or self.site).url, timeout=PATIENCE)
        )
        response = self.stack.enter_context(
            client.stream(method, path, headers={**bearer, **(headers or {})}, **options)
        )
        return Reader(response)


@contextlib.contextmanager
def talking(site: Site) -> Iterator[Talk]:
    """Make somebody with a thread."""
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(connect(site.dsn))
        user = new_user(db, "Ada")
        client = stack.enter_context(site.user(user))
        yield Talk(site, db, stack, user, runs.new_thread(db, user), client)


@contextlib.contextmanager
def without_worker(dsn: str, **changes: Any) -> Iterator[Site]:
    """Run a server that answers nothing by itself."""
    with serving(settings_for(dsn, runs_at_once=0, **changes)) as site:
        yield site
