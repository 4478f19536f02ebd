"""Webhooks at the same time go together; one that cannot be taken in stops no other."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tests.support import PATIENCE
from thin_api import errors, receiver
from thin_api.db import Database, UnexpectedError, Unreachable
from thin_api.errors import Failure
from thin_api.receiver import Receiver

TAKEN = b'{"success": true, "events": 0, "duplicates": 0}'


class Fake:
    """A database that takes in what it is told to, and remembers its calls."""

    def __init__(self, *troubles: Exception | None) -> None:
        self.calls: list[list[str]] = []
        self.parked: list[Mapping[str, Any]] = []
        self.troubles = list(troubles)
        self.bad: dict[str, Exception] = {}
        self.called = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def receive_webhooks(self, webhooks: bytes) -> list[bytes]:
        payloads = [one["payload"] for one in orjson.loads(webhooks)]
        self.calls.append(payloads)
        self.called.set()
        await self.gate.wait()
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise trouble
        for payload in payloads:
            if payload in self.bad:
                raise self.bad[payload]
        return [TAKEN for _ in payloads]

    async def call(self, function: str, given: Mapping[str, Any]) -> bytes:
        assert function == "park_webhook_atomic"
        self.parked.append(given)
        return b'{"success": true}'


async def bring(fake: Fake, count: int) -> list[bytes | BaseException]:
    """Bring webhooks while the first one is in flight; what each is answered."""
    one: Database = fake  # type: ignore[assignment]
    taking = Receiver(one)
    fake.gate.clear()
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(taking.receive("whatsapp", str(number), [])))
        await asyncio.sleep(0)
    await asyncio.wait_for(fake.called.wait(), PATIENCE)
    fake.gate.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def unavailable() -> Failure:
    return errors.unavailable("too many calls wanted the same rows at once")


async def test_what_comes_while_a_call_is_in_flight_goes_together() -> None:
    fake = Fake()
    assert await bring(fake, 250) == [TAKEN] * 250
    assert [len(call) for call in fake.calls] == [1, 100, 100, 49]
    assert [one for call in fake.calls for one in call] == [str(number) for number in range(250)]


async def test_a_batch_is_not_larger_than_its_bytes_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "LARGEST_BATCH_BYTES", 120)
    fake = Fake()
    await bring(fake, 7)
    assert [len(call) for call in fake.calls] == [1, 2, 2, 2]


async def test_a_batch_that_raises_is_repeated_one_by_one() -> None:
    fake = Fake()
    fake.bad["2"] = UnexpectedError("23514")
    assert len(await bring(fake, 4)) == 4
    assert fake.calls == [["0"], ["1", "2", "3"], ["1"], ["2"], ["3"]]
    assert [one["p_payload"] for one in fake.parked] == ["2"]
    assert fake.parked[0]["p_problem"]


async def test_a_batch_that_was_held_up_is_repeated_one_by_one_until_that_fails_too() -> None:
    fake = Fake(None, unavailable(), None, unavailable())
    first, second, third, fourth = await bring(fake, 4)
    assert (first, second) == (TAKEN, TAKEN)
    assert isinstance(third, Failure)
    assert isinstance(fourth, Failure)
    assert fake.calls == [["0"], ["1", "2", "3"], ["1"], ["2"]]
    assert fake.parked == []


async def test_with_the_database_away_all_are_told_at_once() -> None:
    fake = Fake(None, Unreachable("the database is away"))
    answers = await bring(fake, 4)
    assert [isinstance(answer, Unreachable) for answer in answers] == [False, True, True, True]
    assert len(fake.calls) == 2


async def test_a_refusal_of_the_whole_is_a_bug_of_ours_and_keeps_the_payload() -> None:
    class Refusing(Fake):
        async def receive_webhooks(self, webhooks: bytes) -> list[bytes]:
            await super().receive_webhooks(webhooks)
            return []

    fake = Refusing()
    await bring(fake, 2)
    assert [one["p_payload"] for one in fake.parked] == ["0", "1"]


async def test_what_cannot_even_be_kept_is_an_error() -> None:
    class Broken(Fake):
        async def call(self, function: str, given: Mapping[str, Any]) -> bytes:
            raise UnexpectedError("58030")

    fake = Broken()
    fake.bad["0"] = UnexpectedError("23514")
    (answer,) = await bring(fake, 1)
    assert isinstance(answer, UnexpectedError)


async def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "QUEUE_LIMIT", 3)
    answers = await bring(Fake(), 6)
    refused = [answer for answer in answers if isinstance(answer, Failure)]
    assert {failure.status for failure in refused} == {503}
    assert 1 <= len(refused) < 6


async def test_after_a_pause_it_goes_on() -> None:
    fake = Fake()
    one: Database = fake  # type: ignore[assignment]
    taking = Receiver(one)
    for _ in range(3):
        assert await taking.receive("twilio", "x", []) == TAKEN
    assert len(fake.calls) == 3
