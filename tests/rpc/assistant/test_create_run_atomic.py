"""api.create_run_atomic."""

import pytest

from tests.rpc.assistant.runs import (
    ask,
    claim,
    complete,
    fail,
    new_session,
    new_thread,
    outdate,
    run_row,
    say,
    unknown,
)
from tests.rpc.behind import MESSAGE_KEYS, events, rows, set_limit, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed

RUN_KEYS = {
    "id",
    "thread_id",
    "conversation_id",
    "session_id",
    "status",
    "message_id",
    "answer_id",
    "attempt",
    "error",
    "created_at",
    "started_at",
    "finished_at",
    "expires_at",
}


def said(db: Connection, thread: str) -> list[str]:
    """Return what stands in the thread."""
    found = rows(
        db,
        "select content from chat.messages where conversation_id = %s and deleted_at is null"
        " order by seq",
        thread,
    )
    return [content for (content,) in found]


def withdraw(db: Connection, message: Json) -> None:
    """Let who sent a message delete it."""
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=message["conversation_id"],
        actor_id=message["sender_id"],
        message_id=message["id"],
    )


def asked_before(world: World) -> Json:
    """Name the thread and its owner, for what is refused."""
    return {"conversation_id": world.talk, "actor_id": world.ann}


def test_a_question_is_a_message_and_a_run(db: Connection, world: World) -> None:
    result = ask(db, world.talk, world.ann, "why?", metadata={"mood": "curious"})
    assert set(result) == {
        "success",
        "run_id",
        "thread_id",
        "conversation_id",
        "message",
        "data",
    }
    message, run = result["message"], result["data"]
    assert set(message) == MESSAGE_KEYS
    assert (message["sender_id"], message["source"], message["type"]) == (
        world.ann,
        "person",
        "text",
    )
    assert (message["content"], message["metadata"]) == ("why?", {"mood": "curious"})
    assert set(run) == RUN_KEYS
    assert run == run | {
        "id": result["run_id"],
        "thread_id": world.talk,
        "conversation_id": world.talk,
        "status": "queued",
        "message_id": message["id"],
        "attempt": 0,
        "session_id": None,
        "answer_id": None,
        "error": None,
        "started_at": None,
        "finished_at": None,
    }
    lives = value(db, "select expires_at - created_at from chat.runs where run_id = %s", run["id"])
    assert lives == value(db, "select run_expiry from chat.limits")


def test_members_get_the_message_and_listeners_alone_the_run(db: Connection, world: World) -> None:
    thread = world.talk
    before = len(events(db, thread))
    ask(db, thread, world.ann)
    assert [event["type"] for event in events(db, thread)[before:]] == ["message_created"]
    assert rows(
        db,
        "select o.event::jsonb from chat.outbox o"
        " where o.conversation_id is null order by o.xid desc, o.position desc limit 1",
    ) == [({"type": "run_queued"},)]


def test_the_assistant_is_who_answers(db: Connection, world: World) -> None:
    run = ask(db, world.talk, world.ann)
    assert (
        value(
            db,
            "select u.kind from chat.runs r"
            "  join chat.members m"
            "    on m.conversation_id = r.conversation_id and m.user_id = r.responder_id"
            "  join chat.users u on u.user_id = m.user_id"
            " where r.run_id = %s",
            run["run_id"],
        )
        == "bot"
    )


def test_the_same_question_again_is_the_same_run(db: Connection, world: World) -> None:
    first = ask(db, world.talk, world.ann, client_message_id="k")
    again = ask(db, world.talk, world.ann, client_message_id="k")
    assert again == first | {"duplicate": True}
    assert said(db, world.talk) == ["why?"]


def test_a_repeated_question_tells_what_became_of_it(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann, client_message_id="k")
    complete(db, claim(db), "because")
    again = ask(db, world.talk, world.ann, client_message_id="k")
    assert (again["data"]["status"], again["duplicate"]) == ("completed", True)
    assert said(db, world.talk) == ["why?", "because"]


def test_a_repeated_question_is_its_first_run_whatever_was_asked_later(
    db: Connection, world: World
) -> None:
    first = ask(db, world.talk, world.ann, client_message_id="k")
    fail(db, claim(db))
    ask(db, world.talk, world.ann, message_id=first["message"]["id"])
    again = ask(db, world.talk, world.ann, client_message_id="k")
    assert (again["run_id"], again["data"]["status"]) == (first["run_id"], "failed")


def test_another_question_with_the_same_key_is_refused(db: Connection, world: World) -> None:
    first = ask(db, world.talk, world.ann, "why?", client_message_id="k")
    refused = refuse(
        db,
        "idempotency_conflict",
        "create_run_atomic",
        **asked_before(world),
        content="how?",
        client_message_id="k",
    )
    assert refused["details"] == {"message_id": first["message"]["id"]}


def test_a_message_sent_without_a_run_gets_one_when_it_is_sent_again_as_a_question(
    db: Connection, world: World
) -> None:
    message = send(db, world.talk, world.ann, "why?", client_message_id="k")
    result = ask(db, world.talk, world.ann, "why?", client_message_id="k")
    assert (result["message"], "duplicate" in result) == (message, False)
    assert said(db, world.talk) == ["why?"]


def test_a_run_for_a_message_that_was_sent_before(db: Connection, world: World) -> None:
    message = send(db, world.talk, world.ann, "why?")
    result = ask(db, world.talk, world.ann, message_id=message["id"])
    assert (result["message"], result["data"]["message_id"]) == (message, message["id"])
    assert said(db, world.talk) == ["why?"]


def test_a_message_that_is_being_answered_is_not_asked_about_twice(
    db: Connection, world: World
) -> None:
    first = ask(db, world.talk, world.ann)
    again = ask(db, world.talk, world.ann, message_id=first["message"]["id"])
    assert again == first | {"duplicate": True}


def test_a_message_that_has_its_answer_is_not_asked_about_twice(
    db: Connection, world: World
) -> None:
    first = ask(db, world.talk, world.ann)
    complete(db, claim(db), "because")
    again = ask(db, world.talk, world.ann, message_id=first["message"]["id"])
    assert (again["run_id"], again["duplicate"]) == (first["run_id"], True)


def test_once_its_answer_was_deleted_a_message_can_be_asked_about_again(
    db: Connection, world: World
) -> None:
    first = ask(db, world.talk, world.ann)
    withdraw(db, complete(db, claim(db), "because")["message"])
    again = ask(db, world.talk, world.ann, message_id=first["message"]["id"])
    assert again["run_id"] != first["run_id"]
    complete(db, claim(db), "it depends")
    assert said(db, world.talk) == ["why?", "it depends"]


def test_after_a_failure_the_message_can_be_asked_about_again(db: Connection, world: World) -> None:
    first = ask(db, world.talk, world.ann)
    fail(db, claim(db))
    again = ask(db, world.talk, world.ann, message_id=first["message"]["id"])
    assert (again["data"]["status"], again["message"]) == ("queued", first["message"])


def test_a_message_of_somebody_else_or_a_deleted_one_is_not_there(
    db: Connection, world: World
) -> None:
    ask(db, world.talk, world.ann)
    answer = complete(db, claim(db), "because")["message"]
    gone = send(db, world.talk, world.ann, "never mind", client_message_id="gone")
    withdraw(db, gone)
    for message_id in (answer["id"], gone["id"], world.hello["id"], unknown()):
        refuse(db, "not_found", "create_run_atomic", **asked_before(world), message_id=message_id)


def test_a_deleted_message_sent_again_is_not_asked_about(db: Connection, world: World) -> None:
    withdraw(db, send(db, world.talk, world.ann, "why?", client_message_id="k"))
    refuse(
        db,
        "not_found",
        "create_run_atomic",
        **asked_before(world),
        content="why?",
        client_message_id="k",
    )


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_one_answer_at_a_time(db: Connection, world: World, status: str) -> None:
    first = ask(db, world.talk, world.ann)
    if status == "in_progress":
        claim(db)
    refused = refuse(
        db, "run_in_progress", "create_run_atomic", **asked_before(world), content="how?"
    )
    assert refused["details"] == {"run_id": first["run_id"]}
    assert said(db, world.talk) == ["why?"]


@pytest.mark.parametrize("with_worker", [False, True])
def test_a_run_nobody_waits_for_any_more_does_not_stand_in_the_way(
    db: Connection, world: World, with_worker: bool
) -> None:
    first = ask(db, world.talk, world.ann)
    if with_worker:
        say(db, claim(db), "I would say")
    outdate(db)
    second = ask(db, world.talk, world.ann, "how?")
    assert run_row(db, first["run_id"])["status"] == "expired"
    assert second["data"]["status"] == "queued"
    assert said(db, world.talk) == ["why?", *["I would say"] * with_worker, "how?"]


def test_conversations_do_not_wait_for_each_other(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    ask(db, new_thread(db, world.ann), world.ann)


def test_nothing_is_asked_in_a_closed_thread(db: Connection, world: World) -> None:
    succeed(db, "close_conversation_atomic", **asked_before(world))
    refuse(db, "conversation_closed", "create_run_atomic", **asked_before(world), content="why?")


def test_a_repeated_question_is_told_though_the_thread_was_closed(
    db: Connection, world: World
) -> None:
    first = ask(db, world.talk, world.ann, client_message_id="k")
    succeed(db, "close_conversation_atomic", **asked_before(world))
    again = ask(db, world.talk, world.ann, client_message_id="k")
    assert again["run_id"] == first["run_id"]


@pytest.mark.parametrize("kind", ["group", "direct", "thread"])
def test_runs_are_asked_for_in_threads_of_the_assistant(
    db: Connection, world: World, kind: str
) -> None:
    refuse(
        db,
        "unsupported",
        "create_run_atomic",
        conversation_id=getattr(world, kind),
        actor_id=world.ann,
        content="why?",
    )


def test_only_its_owner_asks_in_a_thread(db: Connection, world: World) -> None:
    assistant = value(
        db,
        "select user_id::text from chat.members where conversation_id = %s and role = 'member'",
        world.talk,
    )
    for actor_id, code in ((assistant, "permission_denied"), (world.bob, "not_a_member")):
        refuse(
            db,
            code,
            "create_run_atomic",
            conversation_id=world.talk,
            actor_id=actor_id,
            content="why?",
        )


# Sessions.


def test_a_run_belongs_to_the_session_its_thread_was_begun_in(db: Connection, world: World) -> None:
    session_id = new_session(db, world.ann)
    thread = new_thread(db, world.ann, session_id)
    assert ask(db, thread, world.ann)["data"]["session_id"] == session_id


def test_a_run_belongs_to_the_session_it_is_asked_for_in(db: Connection, world: World) -> None:
    thread = new_thread(db, world.ann, new_session(db, world.ann))
    session_id = new_session(db, world.ann)
    result = ask(db, thread, world.ann, session_id=session_id)
    assert result["data"]["session_id"] == session_id


def test_a_session_of_somebody_else_is_not_there(db: Connection, world: World) -> None:
    for session_id in (new_session(db, world.bob), unknown()):
        refuse(
            db,
            "not_found",
            "create_run_atomic",
            **asked_before(world),
            content="why?",
            session_id=session_id,
        )


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("cancelled_at = clock_timestamp()", "cancelled"),
        ("created_at = now() - interval '2 h', expires_at = now() - interval '1 h'", "expired"),
    ],
)
def test_nothing_is_asked_in_a_session_that_is_over(
    db: Connection, world: World, change: str, status: str
) -> None:
    session_id = new_session(db, world.ann)
    thread = new_thread(db, world.ann, session_id)
    ask(db, thread, world.ann, session_id=session_id, client_message_id="k")
    complete(db, claim(db), "because")
    rows(db, f"update chat.sessions set {change} where session_id = %s", session_id)
    refused = refuse(
        db,
        "permission_denied",
        "create_run_atomic",
        conversation_id=thread,
        actor_id=world.ann,
        content="how?",
        session_id=session_id,
    )
    assert refused["details"] == {"status": status}
    # What was asked in time is told again; and the thread outlives its session.
    ask(db, thread, world.ann, session_id=session_id, client_message_id="k")
    ask(db, thread, world.ann, "how?")


def test_a_session_begins_so_many_runs_a_minute(db: Connection, world: World) -> None:
    session_id = new_session(db, world.ann, rate_limits={"max_requests_per_1_minute": 2})
    for _ in range(2):
        ask(db, new_thread(db, world.ann, session_id), world.ann)
    thread = new_thread(db, world.ann, session_id)
    about = {"conversation_id": thread, "actor_id": world.ann, "content": "why?"}
    refused = refuse(db, "rate_limited", "create_run_atomic", **about)
    assert refused["details"] == {"limit": 2}
    assert said(db, thread) == []
    rows(
        db,
        "update chat.runs set created_at = created_at - interval '1 minute' where session_id = %s",
        session_id,
    )
    succeed(db, "create_run_atomic", **about)


def test_a_repeated_question_is_not_counted(db: Connection, world: World) -> None:
    session_id = new_session(db, world.ann, rate_limits={"max_requests_per_1_minute": 1})
    thread = new_thread(db, world.ann, session_id)
    for _ in range(3):
        ask(db, thread, world.ann, client_message_id="k")


# What is given along.


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({}, "validation_error", "content"),
        ({"content": " \n"}, "validation_error", "content"),
        ({"content": "x" * 21}, "too_large", "content"),
        ({"content": "x", "client_message_id": " "}, "validation_error", "client_message_id"),
        ({"content": "x", "metadata": "[]"}, "validation_error", "metadata"),
        ({"content": "x", "configuration": "[]"}, "validation_error", "configuration"),
        ({"content": "x", "configuration": {"x": "x" * 9000}}, "too_large", "configuration"),
        ({"content": "x", "message_id": unknown()}, "validation_error", "message_id"),
        ({"metadata": {}, "message_id": unknown()}, "validation_error", "message_id"),
        ({"client_message_id": "k", "message_id": unknown()}, "validation_error", "message_id"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    db: Connection, world: World, given: Json, code: str, field: str
) -> None:
    set_limit(db, "content_characters", 20)
    refused = refuse(db, code, "create_run_atomic", **asked_before(world), **given)
    assert refused["details"]["field"] == field
    assert said(db, world.talk) == []


def test_a_configuration_comes_to_the_responder(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann, configuration={"model": "small"})
    assert claim(db)["configuration"] == {"model": "small"}
