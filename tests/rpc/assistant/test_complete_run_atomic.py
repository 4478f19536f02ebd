"""api.complete_run_atomic."""

import pytest

from tests.rpc.assistant.runs import (
    ask,
    claim,
    complete,
    held,
    lose_worker,
    outdate,
    pieces,
    run_row,
    say,
    unknown,
)
from tests.rpc.behind import MESSAGE_KEYS, events, rows, set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def run(db: Connection, world: World) -> Json:
    """A run that a worker has."""
    ask(db, world.talk, world.ann)
    return claim(db)


def test_the_answer_is_a_message_of_the_assistant(db: Connection, world: World, run: Json) -> None:
    result = complete(db, run, "because", metadata={"model": "small", "run_id": "mine"})
    assert set(result) == {
        "success",
        "run_id",
        "thread_id",
        "conversation_id",
        "message",
        "data",
        "changed",
    }
    answer, data = result["message"], result["data"]
    assert set(answer) == MESSAGE_KEYS
    assert (answer["content"], answer["source"], answer["type"]) == ("because", "bot", "text")
    assert (answer["sender_name"], answer["reply_to_id"]) == ("Assistant", run["message_id"])
    assert answer["metadata"] == {"model": "small", "run_id": run["id"]}
    # Who reads along is told of it by this id before it is there.
    assert answer["id"] == run["id"]
    assert (data["status"], data["answer_id"], data["error"]) == ("completed", answer["id"], None)
    assert data["finished_at"] >= data["started_at"]
    assert result["changed"] is True


def test_who_reads_the_thread_is_told_of_the_answer_then_of_the_end(
    db: Connection, world: World, run: Json
) -> None:
    answer = complete(db, run, "because")["message"]
    message, end = events(db, world.talk)[-2:]
    assert (message["type"], message["message"]) == ("message_created", answer)
    assert end == {
        "type": "run_completed",
        "conversation_id": world.talk,
        "run_id": run["id"],
        "status": "completed",
        "message_id": answer["id"],
    }


def test_a_responder_does_not_mark_a_whole_answer_as_half_of_one(
    db: Connection, world: World, run: Json
) -> None:
    answer = complete(db, run, "because", metadata={"partial": True, "model": "small"})["message"]
    assert answer["metadata"] == {"model": "small", "run_id": run["id"]}
    assert rows(db, "select * from api.check_invariants()") == []


@pytest.mark.parametrize("content", [None, " "])
def test_what_was_said_piece_by_piece_is_the_answer(
    db: Connection, world: World, run: Json, content: str | None
) -> None:
    for piece in ("I would", " ", "say"):
        say(db, run, piece)
    assert complete(db, run, content)["message"]["content"] == "I would say"
    assert pieces(db, run["id"]) == []


def test_the_whole_answer_counts_more_than_its_pieces(
    db: Connection, world: World, run: Json
) -> None:
    say(db, run, "I would")
    assert complete(db, run, "It depends.")["message"]["content"] == "It depends."
    assert pieces(db, run["id"]) == []


@pytest.mark.parametrize("said", [None, " \n"])
def test_an_empty_answer_is_a_failure(
    db: Connection, world: World, run: Json, said: str | None
) -> None:
    say(db, run, said)
    result = complete(db, run)
    assert (result["message"], result["changed"]) == (None, True)
    assert (result["data"]["status"], result["data"]["error"]["code"]) == ("failed", "empty_answer")
    assert events(db, world.talk)[-1]["type"] == "run_failed"
    ask(db, world.talk, world.ann, message_id=run["message_id"])


def test_an_answer_to_a_closed_thread_is_not_given(db: Connection, world: World, run: Json) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.talk, actor_id=world.ann)
    result = complete(db, run, "because")
    assert (result["message"], result["data"]["status"]) == (None, "failed")
    assert result["data"]["error"]["code"] == "conversation_closed"


def test_an_answer_given_twice_is_there_once(db: Connection, world: World, run: Json) -> None:
    first = complete(db, run, "because")
    again = complete(db, run, "because")
    assert again == first | {"changed": False, "duplicate": True}


def test_who_lost_the_run_does_not_answer(db: Connection, world: World, run: Json) -> None:
    lose_worker(db)
    other = claim(db)
    say(db, other, "It")
    late = complete(db, run, "because")
    assert (late["changed"], late["duplicate"], late["message"]) == (False, True, None)
    assert (late["data"]["status"], late["data"]["attempt"]) == ("in_progress", 2)
    assert complete(db, other)["message"]["content"] == "It"


def test_an_answer_after_the_cancellation_changes_nothing(
    db: Connection, world: World, run: Json
) -> None:
    succeed(
        db,
        "cancel_run_atomic",
        conversation_id=world.talk,
        actor_id=world.ann,
        run_id=run["id"],
    )
    late = complete(db, run, "because")
    assert (late["changed"], late["data"]["status"], late["message"]) == (False, "cancelled", None)


def test_an_answer_that_comes_late_but_first_is_an_answer(
    db: Connection, world: World, run: Json
) -> None:
    lose_worker(db)
    outdate(db)
    assert complete(db, run, "because")["data"]["status"] == "completed"


def test_an_answer_may_be_longer_than_a_message_and_has_a_limit(
    db: Connection, world: World, run: Json
) -> None:
    set_limit(db, "content_characters", 5)
    set_limit(db, "answer_characters", 7)
    refused = refuse(db, "too_large", "complete_run_atomic", **held(run), content="because!")
    assert refused["details"] == {"field": "content", "limit": 7}
    assert run_row(db, run["id"])["status"] == "in_progress"
    complete(db, run, "because")


def test_a_run_that_is_not_there_is_not_found(db: Connection, world: World, run: Json) -> None:
    for more in ({"run_id": unknown()}, {"conversation_id": unknown()}):
        refuse(db, "not_found", "complete_run_atomic", **{**held(run), **more}, content="because")


@pytest.mark.parametrize(
    ("field", "given"), [("conversation_id", None), ("run_id", None), ("lease", None)]
)
def test_a_worker_names_what_it_has(
    db: Connection, world: World, run: Json, field: str, given: str | None
) -> None:
    arguments = held(run) | {field: given}
    refused = refuse(db, "validation_error", "complete_run_atomic", **arguments, content="because")
    assert refused["details"] == {"field": field}


@pytest.mark.parametrize(
    ("metadata", "code"), [("[]", "validation_error"), ({"x": "x" * 9000}, "too_large")]
)
def test_metadata_is_an_object_of_limited_size(
    db: Connection, world: World, run: Json, metadata: Json | str, code: str
) -> None:
    refused = refuse(
        db, code, "complete_run_atomic", **held(run), content="because", metadata=metadata
    )
    assert refused["details"]["field"] == "metadata"
