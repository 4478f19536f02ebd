"""api.release_run_atomic."""

import pytest

from tests.rpc.assistant.runs import (
    ask,
    claim,
    complete,
    held,
    lose_worker,
    pieces,
    run_row,
    say,
    unknown,
)
from tests.rpc.behind import rows
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def run(db: Connection, world: World) -> Json:
    """A run that a worker has."""
    ask(db, world.talk, world.ann)
    return claim(db)


def release(db: Connection, run: Json) -> Json:
    """Give a run back."""
    return succeed(db, "release_run_atomic", **held(run))


def test_a_run_that_was_given_back_begins_anew(db: Connection, world: World, run: Json) -> None:
    say(db, run, "I would")
    result = release(db, run)
    assert (result["changed"], result["message"]) == (True, None)
    assert (result["data"]["status"], pieces(db, run["id"])) == ("queued", [])
    again = claim(db)
    # Another number: who reads along must not add to what the first one said.
    assert (again["id"], again["attempt"]) == (run["id"], 2)


def test_other_workers_are_told_to_look(db: Connection, world: World, run: Json) -> None:
    asked_for = "select count(*) from chat.outbox where event::jsonb ->> 'type' = 'run_queued'"
    ((before,),) = rows(db, asked_for)
    release(db, run)
    assert rows(db, asked_for) == [(before + 1,)]


def test_a_run_given_back_twice_is_given_back_once(db: Connection, world: World, run: Json) -> None:
    first = release(db, run)
    assert release(db, run) == first | {"changed": False, "duplicate": True}
    assert run_row(db, run["id"])["releases"] == 1


def test_who_lost_the_run_does_not_give_it_back(db: Connection, world: World, run: Json) -> None:
    lose_worker(db)
    other = claim(db)
    say(db, other, "It")
    assert release(db, run)["changed"] is False
    assert complete(db, other)["message"]["content"] == "It"
    assert release(db, other)["data"]["status"] == "completed"


def test_a_run_that_is_not_there_is_not_found(db: Connection, world: World, run: Json) -> None:
    refuse(db, "not_found", "release_run_atomic", **(held(run) | {"run_id": unknown()}))


@pytest.mark.parametrize("field", ["conversation_id", "run_id", "lease"])
def test_a_worker_names_what_it_has(db: Connection, world: World, run: Json, field: str) -> None:
    refused = refuse(db, "validation_error", "release_run_atomic", **(held(run) | {field: None}))
    assert refused["details"] == {"field": field}
