"""api.claim_run."""

import pytest

from tests.rpc.assistant.runs import (
    ask,
    claim,
    complete,
    fail,
    held,
    lose_worker,
    new_thread,
    outdate,
    pieces,
    run_row,
    say,
)
from tests.rpc.behind import events, rows, set_limit, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


def nothing(db: Connection) -> Json:
    """Claim where nothing can be had; what it answers."""
    result = succeed(db, "claim_run", worker="one")
    assert result["data"] is None
    return result


def test_a_worker_gets_all_that_a_responder_needs(db: Connection, world: World) -> None:
    rows(db, "update chat.users set external_id = 'ann@x' where user_id = %s", world.ann)
    thread = succeed(
        db, "create_thread_atomic", actor_id=world.ann, title="Bikes", metadata={"shop": 1}
    )["thread_id"]
    asked = ask(db, thread, world.ann, metadata={"mood": "curious"}, configuration={"a": 1})
    run = claim(db)
    message = asked["message"]
    assert run == asked["data"] | {
        "status": "in_progress",
        "attempt": 1,
        "started_at": run["started_at"],
        "lease": run["lease"],
        "lease_seconds": 30,
        "timeout_seconds": 300,
        "configuration": {"a": 1},
        "thread": {"id": thread, "kind": "assistant", "title": "Bikes", "metadata": {"shop": 1}},
        "user": {"id": world.ann, "display_name": "Ann", "external_id": "ann@x"},
        "messages": [
            {
                "id": message["id"],
                "role": "user",
                "type": "text",
                "source": "person",
                "content": "why?",
                "metadata": {"mood": "curious"},
                "created_at": message["created_at"],
                "sender_name": "Ann",
            }
        ],
    }
    assert run["started_at"] >= run["created_at"]
    assert run_row(db, run["id"])["worker"] == "one"


def test_what_is_claimed_is_not_given_to_another(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    claim(db, lease="10 minutes")
    assert 300 < nothing(db)["wait_seconds"] <= 600


def test_the_oldest_is_answered_first(db: Connection, world: World) -> None:
    asked = [ask(db, new_thread(db, world.ann), world.ann)["run_id"] for _ in range(3)]
    assert [claim(db)["id"] for _ in asked] == asked


def test_nothing_is_owed(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    complete(db, claim(db), "because")
    assert nothing(db) == {"success": True, "data": None, "ended": 0, "wait_seconds": None}


def test_a_lease_is_as_long_as_asked(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    assert claim(db, lease="7 seconds")["lease_seconds"] == 7


def test_no_lease_is_longer_than_the_answer_is_wanted(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    run = run_row(db, claim(db, lease="1 day")["id"])
    assert run["due_at"] == run["expires_at"]


# What was said.


def test_the_responder_is_told_what_was_said_before_the_question(
    db: Connection, world: World
) -> None:
    ask(db, world.talk, world.ann, "why?")
    complete(db, claim(db), "because")
    send(db, world.talk, world.ann, "I see", source="automation")
    ask(db, world.talk, world.ann, "how?")
    send(db, world.talk, world.ann, "too late")
    assert [(m["role"], m["source"], m["content"]) for m in claim(db)["messages"]] == [
        ("user", "person", "why?"),
        ("assistant", "bot", "because"),
        ("user", "automation", "I see"),
        ("user", "person", "how?"),
    ]


def test_an_edited_question_is_answered_as_it_is_now(db: Connection, world: World) -> None:
    message = ask(db, world.talk, world.ann, "why?")["message"]
    succeed(
        db,
        "edit_message_atomic",
        conversation_id=world.talk,
        actor_id=world.ann,
        message_id=message["id"],
        content="why not?",
    )
    assert [m["content"] for m in claim(db)["messages"]] == ["why not?"]


def test_what_was_deleted_or_hidden_is_not_told(db: Connection, world: World) -> None:
    gone = send(db, world.talk, world.ann, "gone")
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=world.talk,
        actor_id=world.ann,
        message_id=gone["id"],
    )
    answer_id = ask(db, world.talk, world.ann, "why?")["run_id"]
    complete(db, claim(db), "hidden")
    rows(
        db,
        "insert into chat.exclusions (conversation_id, user_id, seq)"
        " select conversation_id, %s, seq from chat.messages where id = %s",
        world.ann,
        answer_id,
    )
    ask(db, world.talk, world.ann, "how?")
    assert [m["content"] for m in claim(db)["messages"]] == ["why?", "how?"]


def test_a_long_history_is_told_from_its_end(db: Connection, world: World) -> None:
    set_limit(db, "run_history", 2)
    for content in ("one", "two"):
        send(db, world.talk, world.ann, content)
    ask(db, world.talk, world.ann, "three")
    assert [m["content"] for m in claim(db)["messages"]] == ["two", "three"]


def test_a_question_asked_again_is_the_last_that_is_told(db: Connection, world: World) -> None:
    first = ask(db, world.talk, world.ann, "why?")
    run = claim(db)
    say(db, run, "becau")
    fail(db, run)
    ask(db, world.talk, world.ann, message_id=first["message"]["id"])
    assert [m["content"] for m in claim(db)["messages"]] == ["why?"]


# Workers that are not heard of again.


def test_a_run_whose_worker_was_lost_begins_anew(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    lost = claim(db)
    say(db, lost, "I would")
    lose_worker(db)
    run = claim(db)
    assert (run["id"], run["attempt"], run["started_at"]) == (lost["id"], 2, lost["started_at"])
    assert run["lease"] != lost["lease"]
    assert pieces(db, run["id"]) == []


def test_after_so_many_workers_it_fails_and_keeps_what_the_last_one_said(
    db: Connection, world: World
) -> None:
    set_limit(db, "run_attempts", 2)
    ask(db, world.talk, world.ann)
    for _ in range(2):
        run = claim(db)
        say(db, run, f"attempt {run['attempt']}")
        lose_worker(db)
    assert nothing(db)["ended"] == 1
    row = run_row(db, run["id"])
    assert (row["status"], row["error"]["code"]) == ("failed", "worker_lost")
    told = events(db, world.talk)
    assert told[-2]["message"]["content"] == "attempt 2"
    assert told[-2]["message"]["metadata"] == {
        "run_id": run["id"],
        "partial": True,
        "status": "failed",
    }
    assert told[-1] == {
        "type": "run_failed",
        "conversation_id": world.talk,
        "run_id": run["id"],
        "status": "failed",
        "error": row["error"],
        "message_id": run["id"],
    }


def test_a_worker_that_gave_it_back_is_not_counted(db: Connection, world: World) -> None:
    set_limit(db, "run_attempts", 1)
    ask(db, world.talk, world.ann)
    for attempt in (1, 2):
        run = claim(db)
        assert run["attempt"] == attempt
        succeed(db, "release_run_atomic", **held(run))
    claim(db)
    lose_worker(db)
    assert nothing(db)["ended"] == 1


# What is not wanted any more.


@pytest.mark.parametrize("with_worker", [False, True])
def test_what_nobody_waits_for_any_more_expires(
    db: Connection, world: World, with_worker: bool
) -> None:
    ask(db, world.talk, world.ann)
    if with_worker:
        say(db, claim(db), "I would")
    outdate(db)
    assert nothing(db)["ended"] == 1
    last = events(db, world.talk)[-1]
    assert (last["type"], last["status"], last["error"]) == ("run_failed", "expired", None)
    assert (last["message_id"] is not None) == with_worker
    assert nothing(db)["ended"] == 0


def test_a_question_that_was_taken_back_is_not_answered(db: Connection, world: World) -> None:
    asked = ask(db, world.talk, world.ann)
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=world.talk,
        actor_id=world.ann,
        message_id=asked["message"]["id"],
    )
    assert nothing(db)["ended"] == 1
    assert run_row(db, asked["run_id"])["status"] == "cancelled"


def test_what_ended_does_not_keep_others_waiting(db: Connection, world: World) -> None:
    for _ in range(3):
        ask(db, new_thread(db, world.ann), world.ann)
    outdate(db)
    wanted = ask(db, world.talk, world.ann)["run_id"]
    result = succeed(db, "claim_run", worker="one")
    assert (result["ended"], result["data"]["id"]) == (3, wanted)


def test_so_many_end_in_one_call_and_the_next_is_due_at_once(db: Connection, world: World) -> None:
    set_limit(db, "messages_per_batch", 2)
    for _ in range(3):
        ask(db, new_thread(db, world.ann), world.ann)
    outdate(db)
    first, second = nothing(db), nothing(db)
    assert (first["ended"], first["wait_seconds"]) == (2, 0)
    assert (second["ended"], second["wait_seconds"]) == (1, None)
    assert value(db, "select count(*) from chat.runs where finished_at is null") == 0


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"worker": None}, "validation_error", "worker"),
        ({"worker": " "}, "validation_error", "worker"),
        ({"worker": "x" * 201}, "too_large", "worker"),
        ({"worker": "one", "lease": "0 seconds"}, "validation_error", "lease"),
    ],
)
def test_who_does_not_say_who_they_are_gets_nothing(
    db: Connection, world: World, given: Json, code: str, field: str
) -> None:
    assert refuse(db, code, "claim_run", **given)["details"]["field"] == field
