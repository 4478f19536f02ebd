"""What the comparison with the model found, each as the shortest story that shows it."""

import pytest

from tests.support import Connection, Json, call, new_group, new_user, refuse, send, succeed


@pytest.fixture
def ann(db: Connection) -> str:
    return new_user(db, "Ann")


@pytest.fixture
def bob(db: Connection) -> str:
    return new_user(db, "Bob")


def test_changes_of_messages_from_before_joining_are_skipped(
    db: Connection, ann: str, bob: str
) -> None:
    group = succeed(db, "create_conversation_atomic", kind="group", actor_id=ann, history="joined")[
        "conversation_id"
    ]
    message = send(db, group, ann, "not for Bob")
    succeed(db, "add_members_atomic", conversation_id=group, actor_id=ann, member_ids=[bob])
    edit = {"conversation_id": group, "actor_id": ann, "message_id": message["id"]}
    succeed(db, "edit_message_atomic", content="nor is this", **edit)

    changes = succeed(db, "list_changes", conversation_id=group, actor_id=bob)["changes"]
    assert changes[1:] == [{"type": "skip", "conversation_id": group, "seq": 3}]


def test_changes_of_messages_from_before_joining_are_not_published_to_who_joined(
    db: Connection, ann: str, bob: str
) -> None:
    group = succeed(db, "create_conversation_atomic", kind="group", actor_id=ann, history="joined")[
        "conversation_id"
    ]
    message = send(db, group, ann, "not for Bob")
    succeed(db, "add_members_atomic", conversation_id=group, actor_id=ann, member_ids=[bob])
    target = {"conversation_id": group, "actor_id": ann, "message_id": message["id"]}
    succeed(db, "edit_message_atomic", content="nor is this", **target)

    db.execute("reset role")
    row = db.execute(
        "select excluded_user_ids::text[] from chat.outbox where event::jsonb ->> 'type' = %s",
        ["message_edited"],
    ).fetchone()
    assert row == ([bob],)


@pytest.mark.parametrize("argument", ["before_seq", "after_seq"])
@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_messages_are_listed_whatever_the_number(
    db: Connection, ann: str, argument: str, value: int
) -> None:
    group = new_group(db, ann)
    send(db, group, ann, "hello")
    page = succeed(db, "list_messages", conversation_id=group, actor_id=ann, **{argument: value})
    shown = (value > 0) == (argument == "before_seq")
    assert len(page["messages"]) == int(shown)


def test_creation_is_repeated_with_defaults_spelled_out(db: Connection, ann: str) -> None:
    request: Json = {"kind": "group", "actor_id": ann, "client_key": "one"}
    succeed(db, "create_conversation_atomic", **request)
    again = succeed(db, "create_conversation_atomic", metadata={}, history="all", **request)
    assert again["duplicate"] is True


@pytest.mark.parametrize("kind", ["direct", "group"])
def test_creation_is_repeated_after_a_member_was_deactivated(
    db: Connection, ann: str, bob: str, kind: str
) -> None:
    request: Json = {"kind": kind, "actor_id": ann, "member_ids": [bob], "client_key": "one"}
    first = succeed(db, "create_conversation_atomic", **request)
    succeed(db, "deactivate_user_atomic", user_id=bob)
    again = succeed(db, "create_conversation_atomic", **request)
    assert (again["conversation_id"], again["duplicate"]) == (first["conversation_id"], True)


def test_addition_is_repeated_after_closing(db: Connection, ann: str, bob: str) -> None:
    group = new_group(db, ann)
    addition: Json = {"conversation_id": group, "actor_id": ann, "member_ids": [bob]}
    succeed(db, "add_members_atomic", **addition)
    succeed(db, "close_conversation_atomic", conversation_id=group, actor_id=ann)
    assert succeed(db, "add_members_atomic", **addition)["duplicate"] is True


@pytest.mark.parametrize(
    ("request_now", "code"),
    [
        ({"metadata": {"n": 1}}, None),
        ({"metadata": {"n": 2}}, "idempotency_conflict"),
        ({"metadata": {"n": 1}, "content": "a caption"}, "idempotency_conflict"),
    ],
)
def test_retry_after_deletion_is_compared_with_what_was_sent(
    db: Connection, ann: str, request_now: Json, code: str | None
) -> None:
    group = new_group(db, ann)
    first: Json = {
        "conversation_id": group,
        "actor_id": ann,
        "type": "image",
        "client_message_id": "one",
    }
    message = succeed(db, "send_message_atomic", metadata={"n": 1}, **first)["message"]
    target = {"conversation_id": group, "actor_id": ann, "message_id": message["id"]}
    succeed(db, "delete_message_atomic", **target)
    if code is None:
        assert call(db, "send_message_atomic", **first, **request_now)["duplicate"] is True
    else:
        refuse(db, code, "send_message_atomic", **first, **request_now)
