"""api.create_thread_atomic."""

from datetime import datetime
from typing import Any

import pytest

from tests.rpc.assistant.runs import assistant_of, new_session, new_thread
from tests.rpc.behind import events, rows, value
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_users, refuse, send, succeed


def begun(db: Connection, actor_id: str, **arguments: Any) -> Json:
    """Begin a thread; what it answers."""
    return succeed(db, "create_thread_atomic", actor_id=actor_id, **arguments)


def test_it_is_told_both_ways(db: Connection, world: World) -> None:
    session_id = world.session["session_id"]
    result = begun(
        db, world.ann, session_id=session_id, title="My bike", metadata={"colour": "red"}
    )
    data = result["data"]
    assert result["thread_id"] == result["conversation_id"] == result["id"] == data["id"]
    assert {key: data[key] for key in data if key != "created_at"} == {
        "id": result["thread_id"],
        "user_id": world.ann,
        "session_id": session_id,
        "title": "My bike",
        "metadata": {"colour": "red"},
        "closed_at": None,
        "last_seq": 0,
    }
    assert (result["object"], result["status"]) == ("chatkit.thread", {"type": "active"})
    assert (result["title"], result["user"]) == ("My bike", world.ann)
    assert result["created_at"] == int(datetime.fromisoformat(data["created_at"]).timestamp())


def test_it_is_a_conversation_with_the_assistant(db: Connection, world: World) -> None:
    thread = new_thread(db, world.ann)
    shown = succeed(db, "get_conversation", conversation_id=thread, actor_id=world.ann)
    assert (shown["conversation"]["kind"], shown["conversation"]["member_count"]) == (
        "assistant",
        2,
    )
    members = succeed(db, "list_members", conversation_id=thread, actor_id=world.ann)["members"]
    assert [(one["display_name"], one["role"]) for one in members] == [
        ("Ann", "owner"),
        ("Assistant", "member"),
    ]
    listed = succeed(db, "list_conversations", actor_id=world.ann)["conversations"]
    assert thread in [one["conversation_id"] for one in listed]
    (event,) = events(db, thread)
    assert (event["type"], event["seq"]) == ("conversation_created", 0)
    assert set(event["user_ids"]) == {world.ann, assistant_of(db, thread)}


def test_a_tenant_has_one_assistant_which_may_be_named(db: Connection, world: World) -> None:
    one, other = new_thread(db, world.ann), new_thread(db, world.bob)
    assistant = assistant_of(db, one)
    assert assistant_of(db, other) == assistant
    assert assistant_of(db, new_thread(db, world.zoe)) != assistant
    succeed(db, "upsert_user_atomic", user_id=assistant, display_name="Hal")
    new_thread(db, world.ann)
    kept = rows(db, "select display_name, kind from chat.users where user_id = %s", assistant)
    assert kept == [("Hal", "bot")]


def test_both_may_write_and_nothing_is_asked_by_that(db: Connection, world: World) -> None:
    thread = new_thread(db, world.ann)
    send(db, thread, world.ann, "hello")
    send(db, thread, assistant_of(db, thread), "hello", source="automation")
    assert value(db, "select count(*) from chat.runs") == 0
    shown = succeed(db, "get_conversation", conversation_id=thread, actor_id=world.ann)
    assert shown["conversation"]["unread_count"] == 1


def test_its_members_are_fixed(db: Connection, world: World) -> None:
    thread = new_thread(db, world.ann)
    about = {"conversation_id": thread, "actor_id": world.ann}
    assistant = assistant_of(db, thread)
    refuse(db, "unsupported", "add_members_atomic", **about, member_ids=[world.bob])
    refuse(db, "unsupported", "remove_member_atomic", **about, user_id=assistant)
    refuse(db, "unsupported", "remove_member_atomic", **about, user_id=world.ann)
    refuse(db, "unsupported", "change_member_role_atomic", **about, user_id=assistant, role="owner")


def test_the_user_renames_closes_and_reopens_it(db: Connection, world: World) -> None:
    thread = new_thread(db, world.ann)
    about = {"conversation_id": thread, "actor_id": world.ann}
    succeed(db, "update_conversation_atomic", **about, title="Old bike")
    succeed(db, "close_conversation_atomic", **about)
    shown = succeed(db, "get_assistant_thread", **about)
    assert (shown["title"], shown["status"]["type"]) == ("Old bike", "closed")
    assert shown["data"]["closed_at"] is not None
    refuse(db, "conversation_closed", "send_message_atomic", **about, content="hello?")
    succeed(db, "reopen_conversation_atomic", **about)
    assert succeed(db, "get_assistant_thread", **about)["status"] == {"type": "active"}


def test_it_is_opened_this_way_only(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "create_conversation_atomic",
        actor_id=world.ann,
        kind="assistant",
        member_ids=[],
    )


def test_the_same_key_is_the_same_thread(db: Connection, world: World) -> None:
    asked = {"title": "My bike", "metadata": {"a": 1}, "client_key": "draft-1"}
    first = begun(db, world.ann, **asked)
    assert begun(db, world.ann, **asked) == {**first, "duplicate": True}
    assert begun(db, world.bob, **asked)["thread_id"] != first["thread_id"]
    others: list[Json] = [{"title": "Other"}, {"metadata": {}}, {"title": None}]
    for other in others:
        result = refuse(
            db,
            "idempotency_conflict",
            "create_thread_atomic",
            actor_id=world.ann,
            **{**asked, **other},
        )
        assert result["details"] == {"conversation_id": first["thread_id"]}


def test_a_retry_stays_one_after_the_session_is_over(db: Connection, world: World) -> None:
    asked = {"session_id": new_session(db, world.ann), "client_key": "draft-1"}
    first = begun(db, world.ann, **asked)
    succeed(db, "cancel_session_atomic", session_id=asked["session_id"])
    assert begun(db, world.ann, **asked)["thread_id"] == first["thread_id"]
    refuse(
        db,
        "permission_denied",
        "create_thread_atomic",
        actor_id=world.ann,
        **{**asked, "client_key": "draft-2"},
    )


def test_a_key_begins_another_once_its_thread_is_deleted(db: Connection, world: World) -> None:
    first = begun(db, world.ann, client_key="draft-1")
    succeed(db, "delete_thread_atomic", conversation_id=first["thread_id"], actor_id=world.ann)
    assert "duplicate" not in begun(db, world.ann, title="Other", client_key="draft-1")


def test_a_session_is_ones_own(db: Connection, world: World) -> None:
    for session_id in (new_session(db, world.bob), NOBODY):
        refuse(
            db,
            "not_found",
            "create_thread_atomic",
            actor_id=world.ann,
            session_id=session_id,
        )


def test_a_session_that_is_over_says_so(db: Connection, world: World) -> None:
    session_id = new_session(db, world.ann)
    rows(db, "update chat.sessions set expires_at = clock_timestamp()")
    result = refuse(
        db,
        "permission_denied",
        "create_thread_atomic",
        actor_id=world.ann,
        session_id=session_id,
    )
    assert result["details"] == {"status": "expired"}
    assert "create another" in result["message"]
    assert value(db, "select count(*) from chat.assistant_threads") == 0


def test_contacts_and_the_assistant_begin_none(db: Connection, world: World) -> None:
    for user in (world.contact, assistant_of(db, world.talk)):
        refuse(db, "permission_denied", "create_thread_atomic", actor_id=user)


def test_a_user_has_as_many_as_they_like(db: Connection, world: World) -> None:
    (user,) = new_users(db, 1, tenant_id=world.tenant_id)
    assert len({new_thread(db, user) for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("code", "field", "given"),
    [
        ("validation_error", "title", " "),
        ("validation_error", "client_key", ""),
        ("too_large", "title", "x" * 201),
        ("too_large", "client_key", "x" * 201),
        ("too_large", "metadata", {"a": "x" * 8200}),
    ],
)
def test_what_makes_no_thread_is_named(
    db: Connection, world: World, code: str, field: str, given: Any
) -> None:
    result = refuse(db, code, "create_thread_atomic", actor_id=world.ann, **{field: given})
    assert result["details"]["field"] == field
