"""Sends at the same time go together, and each keeps its own outcome."""

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest

from tests.http.support import People, Site, new_id, populated, serving, settings_for
from tests.http.test_db import held
from tests.support import at_once, connect, new_group, violations
from thin_api import errors
from thin_api.batch import Sender
from thin_api.db import OutcomeUnknown, UnexpectedError, Unreachable


def test_sends_at_once_are_all_stored_each_with_its_own_answer(site: Site, people: People) -> None:
    def send(number: int) -> tuple[int, str]:
        with site.user(people.ada) as client:
            response = client.post(people.messages, json={"content": f"message {number}"})
            return response.status_code, response.json()["message"]["content"]

    before = batches(site)
    answers = at_once([lambda n=n: send(n) for n in range(40)])  # type: ignore[misc]
    assert answers == [(201, f"message {number}") for number in range(40)]
    stored = people.as_ada.get(people.messages, params={"limit": 100}).json()["messages"]
    assert {message["content"] for message in stored} == {text for _, text in answers}
    calls, messages = (after - b for after, b in zip(batches(site), before, strict=True))
    assert messages == 40
    assert calls < 40, "none went together"
    with connect(site.dsn, None) as connection:
        assert violations(connection) == []


def test_statuses_in_a_batch_are_those_of_single_sends(site: Site, people: People) -> None:
    keyed = {"content": "one", "client_message_id": "k"}
    people.as_ada.post(people.messages, json=keyed)
    nowhere = f"/v1/conversations/{new_id()}/messages"
    sends: list[tuple[str, str, dict[str, Any], int]] = [
        (people.ada, people.messages, {"content": "fine"}, 201),
        (people.ada, people.messages, keyed, 200),
        (people.ada, people.messages, {**keyed, "content": "two"}, 409),
        (people.ada, people.messages, {}, 400),
        (people.ada, people.messages, {"content": "x" * 16_001}, 413),
        (people.eve, people.messages, {"content": "x"}, 403),
        (people.ada, nowhere, {"content": "x"}, 404),
        (people.bo, people.messages, {"content": "x", "metadata": {"a": 10**30}}, 201),
        (people.bo, people.messages, {"content": "x", "type": "note", "reply_to_id": None}, 201),
    ]

    def send(user: str, path: str, body: Mapping[str, Any]) -> int:
        with site.user(user) as client:
            return client.post(path, json=body).status_code

    expected = [status for *_, status in sends] * 4
    sends *= 4
    tasks = [lambda one=one: send(*one[:3]) for one in sends]
    assert at_once(tasks) == expected


def test_slow_conversation_does_not_hold_up_the_others(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thin_api.db.LOCK_TIMEOUT", 10.0)
    with serving(settings_for(fresh_database)) as site, populated(site) as people:
        with connect(site.dsn) as connection:
            free = new_group(connection, people.ada, people.bo)
        with held(site, people.group) as holder, ThreadPoolExecutor(4) as threads:
            stuck = [
                threads.submit(people.as_ada.post, people.messages, json={"content": str(n)})
                for n in range(3)
            ]
            for _ in range(5):
                path = f"/v1/conversations/{free}/messages"
                assert people.as_bo.post(path, json={"content": "x"}).status_code == 201
            assert not any(one.done() for one in stuck)
            holder.rollback()
            assert [one.result().status_code for one in stuck] == [201] * 3


def test_batch_with_a_stuck_conversation_delivers_the_rest(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thin_api.db.LOCK_TIMEOUT", 0.2)
    with serving(settings_for(fresh_database)) as site, populated(site) as people:
        with connect(site.dsn) as connection:
            groups = [new_group(connection, people.ada) for _ in range(10)]

        def send(group: str) -> int:
            with site.user(people.ada) as client:
                path = f"/v1/conversations/{group}/messages"
                return client.post(path, json={"content": "x"}).status_code

        with held(site, people.group):
            targets = [*groups, people.group] * 3
            statuses = at_once([lambda g=g: send(g) for g in targets])  # type: ignore[misc]
        assert statuses == [503 if group == people.group else 201 for group in targets]


@pytest.fixture
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one call be under way, so that what goes together is known."""
    monkeypatch.setattr("thin_api.batch.AT_ONCE", 1)


class Scripted:
    """Stands in for the database: answers and fails as told, and remembers."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.single: list[str] = []
        self.failure: Exception | None = None
        self.bad: set[str] = set()
        self.gate = asyncio.Event()

    async def call(self, _name: str, given: Mapping[str, Any]) -> bytes:
        await self.gate.wait()
        self.single.append(given["p_content"])
        if given["p_content"] in self.bad:
            raise UnexpectedError("XX000")
        return orjson.dumps({"success": True, "content": given["p_content"]})

    async def send_messages(self, messages: bytes, *, repeatable: bool) -> list[bytes]:
        assert isinstance(repeatable, bool)
        self.batches.append(orjson.loads(messages))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return [
            orjson.dumps({"success": True, "content": one["p_content"]}) for one in self.batches[-1]
        ]


async def start(
    database: Scripted, count: int, keyed: Mapping[int, str] | None = None
) -> tuple[Sender, "asyncio.Future[list[Any]]"]:
    """Send messages 0 to count at the same time through a sender on this database."""
    sender = Sender(database)  # type: ignore[arg-type]
    keys = keyed or {}
    tasks = [
        asyncio.ensure_future(
            sender.send(
                {
                    "p_conversation_id": f"c{n % 3}",
                    "p_content": str(n),
                    "p_client_message_id": keys.get(n),
                }
            )
        )
        for n in range(count)
    ]
    await asyncio.sleep(0)
    return sender, asyncio.gather(*tasks, return_exceptions=True)


def contents(answers: list[Any]) -> list[Any]:
    """Return what each answer is about, or the failure's type."""
    return [
        type(one) if isinstance(one, BaseException) else orjson.loads(one)["content"]
        for one in answers
    ]


@pytest.mark.usefixtures("one_at_once")
async def test_lone_send_goes_straight_out_and_the_rest_together() -> None:
    database = Scripted()
    _, answers = await start(database, 250)
    database.gate.set()
    assert contents(await answers) == [str(n) for n in range(250)]
    assert database.single == ["0"]
    assert [len(batch) for batch in database.batches] == [100, 100, 49]
    assert [one["p_content"] for one in database.batches[0]] == [str(n) for n in range(1, 101)]


@pytest.mark.usefixtures("one_at_once")
async def test_unexpected_error_sends_the_batch_one_by_one() -> None:
    database = Scripted()
    database.failure, database.bad = UnexpectedError("XX000"), {"3"}
    _, answers = await start(database, 6)
    database.gate.set()
    assert contents(await answers) == ["0", "1", "2", UnexpectedError, "4", "5"]


@pytest.mark.usefixtures("one_at_once")
async def test_short_result_sends_the_batch_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    database = Scripted()

    async def nothing(_messages: bytes, *, repeatable: bool) -> list[bytes]:
        return []

    monkeypatch.setattr(database, "send_messages", nothing)
    _, answers = await start(database, 4)
    database.gate.set()
    assert contents(await answers) == ["0", "1", "2", "3"]


@pytest.mark.usefixtures("one_at_once")
async def test_unknown_outcome_repeats_only_what_has_a_key() -> None:
    database = Scripted()
    database.failure = OutcomeUnknown()
    _, answers = await start(database, 5, keyed={2: "k", 4: "l"})
    database.gate.set()
    assert contents(await answers) == ["0", OutcomeUnknown, "2", OutcomeUnknown, "4"]


@pytest.mark.usefixtures("one_at_once")
async def test_unreachable_database_fails_the_batch_at_once() -> None:
    database = Scripted()
    database.failure = Unreachable("away")
    _, answers = await start(database, 5)
    database.gate.set()
    assert contents(await answers) == ["0", *[Unreachable] * 4]
    assert database.single == ["0"]


@pytest.mark.usefixtures("one_at_once")
async def test_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thin_api.batch.QUEUE_LIMIT", 3)
    database = Scripted()
    _, answers = await start(database, 6)
    database.gate.set()
    assert contents(await answers) == ["0", "1", "2", "3", errors.Failure, errors.Failure]


def batches(site: Site) -> tuple[float, float]:
    """Return how many calls sent how many messages so far."""
    text = httpx.get(f"{site.url}/metrics").text
    count, total = (
        re.search(rf"^parley_send_batch_messages_{name} (.+)$", text, re.MULTILINE)
        for name in ("count", "sum")
    )
    assert count
    assert total
    return float(count[1]), float(total[1])
