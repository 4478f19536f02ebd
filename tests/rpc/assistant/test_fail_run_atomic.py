"""api.fail_run_atomic."""

import pytest

from tests.rpc.assistant.runs import (
    ask,
    claim,
    complete,
    fail,
    held,
    lose_worker,
    pieces,
    run_row,
    say,
    unknown,
)
from tests.rpc.behind import events
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed

ERROR = {"code": "broken", "message": "it is broken"}


@pytest.fixture
def run(db: Connection, world: World) -> Json:
    """A run that a worker has."""
    ask(db, world.talk, world.ann)
    return claim(db)


def test_a_failure_is_told_with_its_reason(db: Connection, world: World, run: Json) -> None:
    result = fail(db, run)
    assert (result["message"], result["changed"]) == (None, True)
    assert result["data"] == result["data"] | {
        "status": "failed",
        "error": ERROR,
        "answer_id": None,
    }
    assert events(db, world.talk)[-1] == {
        "type": "run_failed",
        "conversation_id": world.talk,
        "run_id": run["id"],
        "status": "failed",
        "error": ERROR,
        "message_id": None,
    }


def test_what_was_said_by_then_is_kept_and_marked(db: Connection, world: World, run: Json) -> None:
    say(db, run, "I would")
    result = fail(db, run)
    message = result["message"]
    assert (message["content"], message["reply_to_id"]) == ("I would", run["message_id"])
    assert message["metadata"] == {"run_id": run["id"], "partial": True, "status": "failed"}
    assert result["data"]["answer_id"] == message["id"]
    assert pieces(db, run["id"]) == []


def test_blanks_are_not_kept(db: Connection, world: World, run: Json) -> None:
    say(db, run, " \n")
    assert fail(db, run)["message"] is None


def test_of_a_closed_thread_only_the_failure_is_kept(
    db: Connection, world: World, run: Json
) -> None:
    say(db, run, "I would")
    succeed(db, "close_conversation_atomic", conversation_id=world.talk, actor_id=world.ann)
    result = fail(db, run)
    assert (result["message"], result["data"]["error"]) == (None, ERROR)


def test_a_failure_told_twice_is_one(db: Connection, world: World, run: Json) -> None:
    first = fail(db, run)
    again = fail(db, run, "other")
    assert again == first | {"changed": False, "duplicate": True}


def test_who_lost_the_run_does_not_fail_it(db: Connection, world: World, run: Json) -> None:
    lose_worker(db)
    other = claim(db)
    assert fail(db, run)["changed"] is False
    assert complete(db, other, "because")["data"]["status"] == "completed"


def test_a_run_that_is_not_there_is_not_found(db: Connection, world: World, run: Json) -> None:
    refuse(db, "not_found", "fail_run_atomic", **(held(run) | {"run_id": unknown()}), error=ERROR)


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"error": None}, "validation_error", "error"),
        ({"error": "[]"}, "validation_error", "error"),
        ({"error": {"code": "broken"}}, "validation_error", "error"),
        ({"error": {"code": 1, "message": "x"}}, "validation_error", "error"),
        ({"error": {"code": "broken", "message": "x" * 9000}}, "too_large", "error"),
        ({"error": ERROR, "lease": None}, "validation_error", "lease"),
    ],
)
def test_a_failure_says_why(
    db: Connection, world: World, run: Json, given: Json, code: str, field: str
) -> None:
    refused = refuse(db, code, "fail_run_atomic", **(held(run) | given))
    assert refused["details"]["field"] == field
    assert run_row(db, run["id"])["status"] == "in_progress"
