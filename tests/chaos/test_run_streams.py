"""Who reads an answer along has it all, word for word, whichever servers are killed meanwhile."""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from random import Random
from typing import Any

import httpx

from tests import bots
from tests.bots import CHATTERBOX
from tests.chaos.stage import Server
from tests.http.streaming import THREADS, Reader, Told
from tests.http.support import token
from tests.rpc.assistant.runs import new_thread
from tests.support import connect, new_user, violations, wait_for

Serve = Callable[..., list[Server]]

READERS = 8
EACH = 3  # questions of a reader at least, and more until servers were killed so often
KILLS = 4
LEASE = "1 second"


class Asker:
    """Asks questions in one thread and reads the answers, from whichever server is there."""

    def __init__(self, servers: list[Server], user: str, thread: str) -> None:
        self._servers = servers
        self._path = f"{THREADS}/{thread}/runs"
        self._bearer = {"Authorization": f"Bearer {token(user)}"}
        self._random = Random(thread)
        self._http = httpx.Client(timeout=30, verify=False)
        self.cuts = 0
        self.restarts = 0

    def ask(self, question: str) -> None:
        """Ask, and read until the whole answer is there."""
        asked = {"content": question, "client_message_id": str(uuid.uuid4()), "stream": True}
        have, last = "", None
        run_id: str | None = None
        while True:
            for told in self._events(asked, run_id, last):
                last = told.id
                if told.event == "run_created":
                    run_id = told.data["run_id"]
                elif told.event == "run_delta":
                    self.restarts += bool(have and told.data["offset"] == 0)
                    assert told.data["offset"] in (0, len(have)), (told, have)
                    have = have[: told.data["offset"]] + told.data["content"]
                else:
                    assert told.event == "run_completed", told
                    assert have == told.data["message"]["content"]
                    assert have == "".join(bots.chatter(question))
                    return
            self.cuts += 1

    def _events(
        self, asked: Mapping[str, Any], run_id: str | None, last: str | None
    ) -> Iterator[Told]:
        """Yield events until the end, or until the server is lost."""
        server = self._random.choice(self._servers)
        wait_for(server.is_ready, f"{server.name} to be ready")
        headers = {**self._bearer, **({"Last-Event-ID": last} if run_id and last else {})}
        with (
            contextlib.suppress(httpx.TransportError),
            self._http.stream(
                "GET" if run_id else "POST",
                server.url + (f"{self._path}/{run_id}/events" if run_id else self._path),
                headers=headers,
                json=None if run_id else asked,
            ) as response,
        ):
            if response.status_code != 200:
                response.read()
                assert response.status_code == 503, response.text
                return
            yield from Reader(response).rest_as_it_comes()

    def close(self) -> None:
        """Hang up."""
        self._http.close()


def test_readers_of_servers_killed_at_random_have_every_answer_whole(
    serve: Serve, dsn: str
) -> None:
    with connect(dsn, None) as login:
        login.execute(f"update chat.limits set run_lease = '{LEASE}', run_attempts = 1000".encode())
    with connect(dsn) as db:
        user = new_user(db, "Ada")
        threads = [new_thread(db, user) for _ in range(READERS)]
    servers = serve("one", "other", PARLEY_RESPONDER=CHATTERBOX)
    askers = [Asker(servers, user, thread) for thread in threads]
    kills, failures = [0], list[BaseException]()

    def read(asker: Asker) -> None:
        try:
            for number in count():
                if failures or (number >= EACH and kills[0] >= KILLS):
                    return
                asker.ask(f"question {number}")
        except BaseException as error:
            failures.append(error)
            raise

    readers = [threading.Thread(target=read, args=(asker,)) for asker in askers]
    for reader in readers:
        reader.start()
    whims, pause = Random("streams"), threading.Event()
    while kills[0] < KILLS and not failures:
        pause.wait(whims.uniform(0.3, 1.2))
        server = whims.choice(servers)
        server.kill()
        kills[0] += 1
        server.start()
    for reader in readers:
        reader.join()
    for asker in askers:
        asker.close()
    assert not failures, failures
    assert sum(asker.cuts for asker in askers) > 0
    assert sum(asker.restarts for asker in askers) > 0
    with connect(dsn) as db:
        assert violations(db) == []
