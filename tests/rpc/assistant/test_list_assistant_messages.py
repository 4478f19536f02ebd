"""api.list_assistant_messages."""

import pytest

from tests.rpc.assistant.chatkit import add_item, assistant_message, hidden_item
from tests.rpc.assistant.runs import assistant_of, new_session
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, refuse, send, succeed


def test_it_is_the_conversations_page(db: Connection, world: World) -> None:
    first = send(db, world.talk, world.ann, "hello")
    second = send(db, world.talk, assistant_of(db, world.talk), "hello Ann")
    about = {"conversation_id": world.talk, "actor_id": world.ann}
    page = succeed(db, "list_assistant_messages", **about)
    assert page["data"] == page["messages"] == [first, second]
    assert page == {
        **succeed(db, "list_messages", **about),
        "data": page["messages"],
        "thread_id": world.talk,
        "conversation_id": world.talk,
    }
    assert succeed(db, "list_assistant_messages", **about, limit=1)["data"] == [second]
    assert succeed(db, "list_assistant_messages", **about, before_seq=2)["data"] == [first]
    assert succeed(db, "list_assistant_messages", **about, after_seq=1)["data"] == [second]


def test_a_service_sees_what_the_user_sees(db: Connection, world: World) -> None:
    add_item(db, world.ann, hidden_item("note_1"), world.talk)
    add_item(db, world.ann, assistant_message("msg_1", "hello"), world.talk)
    page = succeed(db, "list_assistant_messages", conversation_id=world.talk)
    assert [one["content"] for one in page["data"]] == ["hello"]
    by_assistant = succeed(
        db,
        "list_assistant_messages",
        conversation_id=world.talk,
        actor_id=assistant_of(db, world.talk),
    )
    assert [one["type"] for one in by_assistant["data"]] == ["hidden_context_item", "text"]


def test_a_session_in_the_path_is_the_users(db: Connection, world: World) -> None:
    about = {"conversation_id": world.talk, "actor_id": world.ann}
    session_id = new_session(db, world.ann)
    succeed(db, "cancel_session_atomic", session_id=session_id)
    succeed(db, "list_assistant_messages", **about, session_id=session_id)
    for other in (new_session(db, world.bob), NOBODY):
        refuse(db, "not_found", "list_assistant_messages", **about, session_id=other)


def test_a_conversation_of_another_kind_is_none(db: Connection, world: World) -> None:
    for conversation_id in (world.group, world.thread):
        refuse(
            db,
            "not_found",
            "list_assistant_messages",
            conversation_id=conversation_id,
            actor_id=world.ann,
        )


@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_has_1_to_100(db: Connection, world: World, limit: int) -> None:
    result = refuse(
        db,
        "validation_error",
        "list_assistant_messages",
        conversation_id=world.talk,
        actor_id=world.ann,
        limit=limit,
    )
    assert result["details"] == {"field": "limit"}
