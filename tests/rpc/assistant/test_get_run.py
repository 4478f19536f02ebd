"""api.get_run."""

import pytest

from tests.rpc.assistant.runs import (
    ask,
    claim,
    complete,
    fail,
    held,
    lose_worker,
    new_session,
    say,
    unknown,
)
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


def look(db: Connection, world: World, run_id: str, **more: object) -> Json:
    """Let Ann look at a run."""
    about = {"conversation_id": world.talk, "actor_id": world.ann, "run_id": run_id}
    return succeed(db, "get_run", **about, **more)


def told(db: Connection, world: World, run_id: str, **more: object) -> tuple[int, str]:
    """Return what Ann is told of the answer: from where on, and what."""
    data = look(db, world, run_id, **more)["data"]
    return data["offset"], data["content"]


@pytest.fixture
def run(db: Connection, world: World) -> Json:
    """A run of which three pieces have been said."""
    ask(db, world.talk, world.ann)
    claimed = claim(db)
    for piece in ("I would", " say", " so"):
        say(db, claimed, piece)
    return claimed


def test_before_anybody_has_taken_it_nothing_is_said(db: Connection, world: World) -> None:
    asked = ask(db, world.talk, world.ann)
    assert look(db, world, asked["run_id"]) == {
        "success": True,
        "run_id": asked["run_id"],
        "thread_id": world.talk,
        "conversation_id": world.talk,
        "message": None,
        "data": asked["data"] | {"content": "", "offset": 0},
    }


def test_the_answer_is_told_as_far_as_it_was_said(db: Connection, world: World, run: Json) -> None:
    result = look(db, world, run["id"])
    assert (result["data"]["status"], result["message"]) == ("in_progress", None)
    assert told(db, world, run["id"]) == (0, "I would say so")


@pytest.mark.parametrize("after", range(16))
def test_it_is_told_from_any_character_on(
    db: Connection, world: World, run: Json, after: int
) -> None:
    assert told(db, world, run["id"], attempt=1, after=after) == (after, "I would say so"[after:])
    assert told(db, world, run["id"], after=after) == (after, "I would say so"[after:])


def test_another_attempt_is_told_from_its_start(db: Connection, world: World, run: Json) -> None:
    lose_worker(db)
    second = claim(db)
    assert told(db, world, run["id"], attempt=1, after=7) == (0, "")
    say(db, second, "It")
    assert told(db, world, run["id"], attempt=1, after=7) == (0, "It")
    assert told(db, world, run["id"], attempt=2, after=1) == (1, "t")


def test_a_run_that_was_given_back_is_told_from_the_start_of_the_next_attempt(
    db: Connection, world: World, run: Json
) -> None:
    succeed(db, "release_run_atomic", **held(run))
    assert told(db, world, run["id"], attempt=1, after=7) == (7, "")
    say(db, claim(db), "It")
    assert told(db, world, run["id"], attempt=1, after=7) == (0, "It")


def test_of_an_answer_that_is_there_the_rest_is_told(
    db: Connection, world: World, run: Json
) -> None:
    answer = complete(db, run)["message"]
    result = look(db, world, run["id"], attempt=1, after=11)
    assert (result["data"]["content"], result["data"]["status"]) == (" so", "completed")
    assert result["message"] == answer


def test_of_a_failure_what_was_said_is_told(db: Connection, world: World, run: Json) -> None:
    fail(db, run)
    result = look(db, world, run["id"])
    assert (result["data"]["status"], result["data"]["content"]) == ("failed", "I would say so")
    assert result["message"]["metadata"]["partial"] is True


def test_of_a_deleted_answer_nothing_is_told(db: Connection, world: World, run: Json) -> None:
    answer = complete(db, run)["message"]
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=world.talk,
        actor_id=answer["sender_id"],
        message_id=answer["id"],
    )
    result = look(db, world, run["id"])
    assert (result["data"]["content"], result["message"]["content"]) == ("", None)


def test_a_run_that_is_not_there_is_not_found(db: Connection, world: World, run: Json) -> None:
    about = {"conversation_id": world.talk, "actor_id": world.ann}
    refuse(db, "not_found", "get_run", **about, run_id=unknown())
    refuse(
        db,
        "not_found",
        "get_run",
        conversation_id=world.group,
        actor_id=world.ann,
        run_id=run["id"],
    )
    for given, field in (({}, "run_id"), ({"run_id": run["id"], "after": -1}, "after")):
        assert refuse(db, "validation_error", "get_run", **about, **given)["details"] == {
            "field": field
        }


def test_a_session_beside_it_must_be_ones_own(db: Connection, world: World, run: Json) -> None:
    look(db, world, run["id"], session_id=new_session(db, world.ann))
    for session_id in (new_session(db, world.bob), unknown()):
        refuse(
            db,
            "not_found",
            "get_run",
            conversation_id=world.talk,
            actor_id=world.ann,
            run_id=run["id"],
            session_id=session_id,
        )
