"""api.edit_message_atomic."""

import pytest

from tests.rpc.behind import MESSAGE_KEYS, events, rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def edit(world: World) -> Json:
    """Ann's edit of her first message."""
    return {
        "conversation_id": world.group,
        "actor_id": world.ann,
        "message_id": world.hello["id"],
        "content": "hello all",
    }


def test_the_content_changes_and_nothing_else(db: Connection, world: World, edit: Json) -> None:
    message = succeed(db, "edit_message_atomic", **edit)["message"]
    assert set(message) == MESSAGE_KEYS
    assert message["edited_at"] > message["created_at"]
    assert message | {"content": "hello", "edited_at": None} == world.hello


def test_what_was_there_before_is_kept(db: Connection, world: World, edit: Json) -> None:
    succeed(db, "edit_message_atomic", **edit)
    assert rows(
        db,
        "select seq, kind, actor_id::text, previous_content from chat.changes"
        " where conversation_id = %s",
        world.group,
    ) == [(3, "message_edited", world.ann, "hello")]


def test_listeners_and_cursors_are_told_the_same(db: Connection, world: World, edit: Json) -> None:
    message = succeed(db, "edit_message_atomic", **edit)["message"]
    event = {
        "type": "message_edited",
        "conversation_id": world.group,
        "seq": 3,
        "actor_id": world.ann,
        "message": message,
    }
    assert events(db, world.group)[-1] == event
    changes = succeed(
        db, "list_changes", conversation_id=world.group, actor_id=world.cid, after_seq=2
    )
    assert changes["changes"] == [event]


def test_the_same_again_changes_nothing(db: Connection, world: World, edit: Json) -> None:
    first = succeed(db, "edit_message_atomic", **edit)
    stale = edit | {"expected_edited_at": world.hello["created_at"]}
    assert succeed(db, "edit_message_atomic", **stale) == first | {"duplicate": True}
    assert rows(db, "select count(*) from chat.changes") == [(1,)]


@pytest.mark.parametrize("who", ["bob", "cid"])
def test_only_the_sender_edits(db: Connection, world: World, edit: Json, who: str) -> None:
    refuse(
        db, "permission_denied", "edit_message_atomic", **edit | {"actor_id": getattr(world, who)}
    )


def test_owners_do_not_edit_what_others_said(db: Connection, world: World, edit: Json) -> None:
    refuse(
        db, "permission_denied", "edit_message_atomic", **edit | {"message_id": world.reply["id"]}
    )


def test_system_messages_are_nobodys_to_edit(db: Connection, world: World, edit: Json) -> None:
    added = succeed(
        db,
        "add_members_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        member_ids=[world.dee],
    )
    refuse(
        db,
        "permission_denied",
        "edit_message_atomic",
        **edit | {"message_id": added["message"]["id"]},
    )


def test_a_deleted_message_is_not_edited(db: Connection, world: World, edit: Json) -> None:
    about = {key: edit[key] for key in ("conversation_id", "actor_id", "message_id")}
    succeed(db, "delete_message_atomic", **about)
    refuse(db, "edit_conflict", "edit_message_atomic", **edit)


def test_an_edit_of_a_stale_version_is_refused(db: Connection, world: World, edit: Json) -> None:
    seen = edit | {"expected_edited_at": world.hello["created_at"]}
    first = succeed(db, "edit_message_atomic", **seen)["message"]
    result = refuse(db, "edit_conflict", "edit_message_atomic", **seen | {"content": "other"})
    assert result["details"] == {"edited_at": first["edited_at"]}
    again = seen | {"content": "other", "expected_edited_at": first["edited_at"]}
    assert succeed(db, "edit_message_atomic", **again)["message"]["content"] == "other"


def test_a_message_of_another_conversation_is_not_found(
    db: Connection, world: World, edit: Json
) -> None:
    elsewhere = send(db, world.direct, world.ann, "elsewhere")
    for message_id in (elsewhere["id"], NOBODY):
        refuse(db, "not_found", "edit_message_atomic", **edit | {"message_id": message_id})


def test_nothing_is_edited_in_a_closed_conversation(
    db: Connection, world: World, edit: Json
) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.group, actor_id=world.ann)
    refuse(db, "conversation_closed", "edit_message_atomic", **edit)


@pytest.mark.parametrize("blocker", ["ann", "bob"])
def test_a_blocked_pair_cannot_talk_by_editing(
    db: Connection, world: World, edit: Json, blocker: str
) -> None:
    message = send(db, world.direct, world.ann, "nice")
    succeed(
        db,
        "block_user_atomic",
        actor_id=getattr(world, blocker),
        user_id=world.ann if blocker == "bob" else world.bob,
    )
    in_direct = edit | {"conversation_id": world.direct, "message_id": message["id"]}
    refuse(db, "blocked", "edit_message_atomic", **in_direct)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"message_id": None}, "message_id"),
        ({"content": None}, "content"),
        ({"content": " "}, "content"),
    ],
)
def test_what_is_missing_is_named(
    db: Connection, world: World, edit: Json, given: Json, field: str
) -> None:
    result = refuse(db, "validation_error", "edit_message_atomic", **edit | given)
    assert result["details"] == {"field": field}


def test_an_edit_is_no_way_around_the_limit(db: Connection, world: World, edit: Json) -> None:
    refuse(db, "too_large", "edit_message_atomic", **edit | {"content": "x" * 16_001})


def test_the_desk_cannot_do_that_to_what_a_contact_sees(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "edit_message_atomic",
        conversation_id=world.thread,
        actor_id=world.ann,
        message_id=world.offer["id"],
        content="x",
    )
