"""api.delete_thread_atomic."""

import pytest

from tests.rpc.assistant.chatkit import add_item, hidden_item, user_message
from tests.rpc.assistant.runs import ask, assistant_of, claim, complete, held, new_thread, say
from tests.rpc.behind import events, rows
from tests.rpc.conftest import World
from tests.support import Connection, refuse, send, succeed


def mentions(db: Connection, conversation_id: str) -> set[str]:
    """Which tables still speak of a conversation."""
    tables = rows(
        db,
        "select c.oid::regclass::text from pg_class c"
        "  join pg_attribute a on a.attrelid = c.oid and a.attname = 'conversation_id'"
        " where c.relnamespace = 'chat'::regnamespace and c.relkind = 'r'",
    )
    return {
        table
        for (table,) in tables
        if rows(db, f"select 1 from {table} where conversation_id = %s limit 1", conversation_id)
    }


@pytest.fixture
def full(db: Connection, world: World) -> str:
    """A thread of Ann's with everything in it that can be in one."""
    thread = new_thread(db, world.ann)
    about = {"conversation_id": thread, "actor_id": world.ann}
    message = send(db, thread, world.ann, "hello")
    succeed(db, "edit_message_atomic", **about, message_id=message["id"], content="hello!")
    succeed(db, "add_reaction_atomic", **about, message_id=message["id"], emoji="x")
    succeed(db, "mark_read_atomic", **about)
    add_item(db, world.ann, user_message("msg_1", "hello?"), thread)
    add_item(db, world.ann, hidden_item("note_1"), thread)
    ask(db, thread, world.ann)
    complete(db, claim(db), "because")
    ask(db, thread, world.ann)
    say(db, claim(db), "I would say")
    return thread


def test_nothing_of_it_is_left(db: Connection, world: World, full: str) -> None:
    assert len(mentions(db, full)) > 10
    succeed(db, "delete_thread_atomic", conversation_id=full, actor_id=world.ann)
    assert mentions(db, full) == {"chat.outbox"}
    about = {"conversation_id": full, "actor_id": world.ann}
    refuse(db, "not_found", "get_conversation", **about)
    refuse(db, "not_found", "get_assistant_thread", **about)


def test_who_shows_it_is_told(db: Connection, world: World, full: str) -> None:
    succeed(db, "delete_thread_atomic", conversation_id=full, actor_id=world.ann)
    assert events(db, full)[-1] == {"type": "conversation_deleted", "conversation_id": full}
    assert "hello" not in str(events(db, full))


def test_a_worker_that_answers_there_is_told_to_stop(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    run = claim(db)
    succeed(db, "delete_thread_atomic", conversation_id=world.talk, actor_id=world.ann)
    refuse(db, "not_found", "append_run_delta", **held(run), content="because")
    refuse(db, "not_found", "complete_run_atomic", **held(run), content="because")


def test_the_answer_says_what_is_gone(db: Connection, world: World) -> None:
    before = succeed(db, "get_assistant_thread", conversation_id=world.talk, actor_id=world.ann)
    assert succeed(db, "delete_thread_atomic", conversation_id=world.talk, actor_id=world.ann) == {
        "success": True,
        "id": world.talk,
        "object": "chatkit.thread.deleted",
        "deleted": True,
        "thread_id": world.talk,
        "conversation_id": world.talk,
        "data": before["data"],
    }


def test_other_threads_stay(db: Connection, world: World, full: str) -> None:
    other = new_thread(db, world.ann)
    message = send(db, other, world.ann, "hello")
    succeed(db, "delete_thread_atomic", conversation_id=full, actor_id=world.ann)
    page = succeed(db, "list_messages", conversation_id=other, actor_id=world.ann)
    assert page["messages"] == [message]


def test_again_it_is_gone(db: Connection, world: World) -> None:
    for actor_id in (world.ann, None):
        thread = new_thread(db, world.ann)
        about = {"conversation_id": thread, "actor_id": actor_id}
        succeed(db, "delete_thread_atomic", **about)
        refuse(db, "not_found", "delete_thread_atomic", **about)


def test_the_assistant_does_not_delete_what_the_user_said(db: Connection, world: World) -> None:
    refuse(
        db,
        "permission_denied",
        "delete_thread_atomic",
        conversation_id=world.talk,
        actor_id=assistant_of(db, world.talk),
    )


def test_conversations_of_other_kinds_stay(db: Connection, world: World) -> None:
    for conversation_id in (world.group, world.direct, world.thread):
        for actor_id in (world.ann, None):
            refuse(
                db,
                "not_found",
                "delete_thread_atomic",
                conversation_id=conversation_id,
                actor_id=actor_id,
            )
    assert {"chat.members", "chat.messages"} <= mentions(db, world.group)
