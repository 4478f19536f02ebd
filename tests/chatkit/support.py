"""What tests of ChatKit say: somebody at a widget, and the events that it is told."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any, Self

import httpx

from tests.http.support import Site, token
from tests.rpc.assistant import runs
from tests.support import PATIENCE, Connection, Json, connect, new_user, succeed, wait_for

PATH = "/chatkit"


class Events:
    """Reads ChatKit's events one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.blocks = self._read()

    def __iter__(self) -> Iterator[Json]:
        """Yield what comes until the server ends it."""
        for block in self.blocks:
            assert block.startswith("data: "), "nothing came for a long time"
            yield json.loads(block.removeprefix("data: "))

    def next(self, kind: str | None = None) -> Json:
        """Return the next event, which must be of this kind."""
        event = next(iter(self))
        assert kind in (None, event["type"]), event
        return event

    def close(self) -> None:
        """Leave."""
        self.response.close()

    def _read(self) -> Iterator[str]:
        waiting = ""
        for text in self.response.iter_text():
            *blocks, waiting = (waiting + text).split("\n\n")
            yield from blocks
        assert not waiting


@dataclasses.dataclass
class Widget:
    """Somebody at a widget, on a server without a worker: the test is one."""

    site: Site
    db: Connection
    stack: contextlib.ExitStack
    user: str
    bearer: str

    def post(self, kind: str, **params: Any) -> httpx.Response:
        """Send a request whose answer is a whole."""
        with self._client() as client:
            return client.post(PATH, json={"type": kind, "params": params})

    def ask(self, kind: str, **params: Any) -> Json:
        """Send a request that must succeed; its answer."""
        response = self.post(kind, **params)
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        return answer

    def stream(self, kind: str, **params: Any) -> Events:
        """Send a request whose answer is a stream."""
        client = self.stack.enter_context(self._client())
        request = client.stream("POST", PATH, json={"type": kind, "params": params})
        return Events(self.stack.enter_context(request))

    def begin(self, text: str = "why?") -> tuple[Events, str]:
        """Begin a thread with a message, up to where the answer would come; the thread's id."""
        events = self.stream("threads.create", input=typed(text))
        thread_id: str = events.next("thread.created")["thread"]["id"]
        events.next("thread.item.done")
        events.next("stream_options")
        return events, thread_id

    def work(self, thread_id: str) -> Json:
        """Claim what a thread waits for; the run with its lease."""
        run = wait_for(lambda: succeed(self.db, "claim_run", worker="one")["data"], "a run")
        assert run["thread"]["id"] == thread_id
        return dict(run)

    def answer(self, thread_id: str, text: str = "Because.") -> Json:
        """Answer what a thread waits for; the run."""
        run = self.work(thread_id)
        runs.complete(self.db, run, text)
        return run

    def items(self, thread_id: str) -> list[Json]:
        """Return a thread's items as the widget shows them, oldest first."""
        page = self.ask("items.list", thread_id=thread_id, order="asc", limit=100)
        return list(page["data"])

    def said(self, thread_id: str) -> list[tuple[str, str]]:
        """Return who said what in a thread."""
        return [(item["type"], text_of(item)) for item in self.items(thread_id)]

    def hidden(self, thread_id: str) -> list[str]:
        """Return the items of a thread that the widget is not shown, by type."""
        page = succeed(
            self.db, "list_chatkit_items", thread_id=thread_id, actor_id=self.user, limit=100
        )
        shown = {item["id"] for item in self.items(thread_id)}
        return [item["type"] for item in page["data"] if item["id"] not in shown]

    def wait_until_cut_short(self, thread_id: str) -> None:
        """Wait until the server has noted that nobody waits for an answer any more."""
        wait_for(lambda: self.hidden(thread_id), "the mark that the answer was cut short")

    def run(self, run: Json) -> Json:
        """Return a run as it is now."""
        return runs.run_row(self.operator, run["id"])

    @property
    def operator(self) -> Connection:
        """Return a connection that may read the tables."""
        return self.stack.enter_context(connect(self.site.dsn, None))

    def with_bearer(self, bearer: str) -> Self:
        """Return the same person with another token."""
        return dataclasses.replace(self, bearer=bearer)

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.bearer}"}
        return httpx.Client(base_url=self.site.url, headers=headers, timeout=PATIENCE)


@contextlib.contextmanager
def at_widget(site: Site) -> Iterator[Widget]:
    """Bring somebody to a widget."""
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(connect(site.dsn))
        user = new_user(db, "Ada")
        yield Widget(site, db, stack, user, token(user))


def typed(text: str, **more: Any) -> Json:
    """Say what the widget sends for a message somebody typed."""
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}, **more}


def text_of(item: Json) -> str:
    """Return what an item says."""
    return "".join(part["text"] for part in item["content"])


def told(events: Iterator[Json] | Events) -> list[str]:
    """Return the kinds of events."""
    return [event["type"] for event in events]
