"""api.delete_message_atomic."""

import pytest

from tests.rpc.behind import MESSAGE_KEYS, events, rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def deletion(world: World) -> Json:
    """The deletion of Bob's message by himself."""
    return {
        "conversation_id": world.group,
        "actor_id": world.bob,
        "message_id": world.reply["id"],
    }


def test_its_place_stays_and_its_content_goes(db: Connection, world: World, deletion: Json) -> None:
    rich = send(db, world.group, world.bob, "secret", metadata={"a": 1})
    about = deletion | {"message_id": rich["id"]}
    succeed(db, "add_reaction_atomic", emoji="x", **about)
    message = succeed(db, "delete_message_atomic", **about)["message"]
    assert set(message) == MESSAGE_KEYS
    assert message["deleted_at"] is not None
    assert message | {"deleted_at": None} == rich | {"content": None, "metadata": {}}
    listed = succeed(db, "list_messages", conversation_id=world.group, actor_id=world.ann)
    assert listed["messages"][-1] == message


def test_the_event_and_the_audit_say_who_and_what(
    db: Connection, world: World, deletion: Json
) -> None:
    message = succeed(db, "delete_message_atomic", **deletion | {"actor_id": world.ann})["message"]
    assert events(db, world.group)[-1] == {
        "type": "message_deleted",
        "conversation_id": world.group,
        "seq": 3,
        "actor_id": world.ann,
        "message": message,
    }
    assert rows(db, "select previous_content, data from chat.changes") == [
        ("hello Ann", {"metadata": {}})
    ]


def test_again_changes_nothing(db: Connection, world: World, deletion: Json) -> None:
    first = succeed(db, "delete_message_atomic", **deletion)
    assert succeed(db, "delete_message_atomic", **deletion) == first | {"duplicate": True}
    assert rows(db, "select count(*) from chat.changes") == [(1,)]


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("admin", True), ("member", False)])
def test_owners_and_admins_of_a_group_delete_what_others_said(
    db: Connection, world: World, deletion: Json, role: str, may: bool
) -> None:
    succeed(
        db,
        "change_member_role_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        user_id=world.cid,
        role=role,
    )
    attempt = deletion | {"actor_id": world.cid}
    if may:
        succeed(db, "delete_message_atomic", **attempt)
    else:
        refuse(db, "permission_denied", "delete_message_atomic", **attempt)


def test_in_a_direct_conversation_each_deletes_their_own(db: Connection, world: World) -> None:
    message = send(db, world.direct, world.ann, "mine")
    about = {"conversation_id": world.direct, "message_id": message["id"]}
    refuse(db, "permission_denied", "delete_message_atomic", actor_id=world.bob, **about)
    succeed(db, "delete_message_atomic", actor_id=world.ann, **about)


def test_one_may_take_back_what_one_said_to_someone_who_blocked_one(
    db: Connection, world: World
) -> None:
    message = send(db, world.direct, world.ann, "sorry")
    succeed(db, "block_user_atomic", actor_id=world.bob, user_id=world.ann)
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=world.direct,
        actor_id=world.ann,
        message_id=message["id"],
    )


def test_system_messages_stay(db: Connection, world: World, deletion: Json) -> None:
    message = succeed(
        db,
        "remove_member_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        user_id=world.cid,
    )["message"]
    attempt = deletion | {"actor_id": world.ann, "message_id": message["id"]}
    refuse(db, "permission_denied", "delete_message_atomic", **attempt)


def test_a_message_of_another_conversation_is_not_found(
    db: Connection, world: World, deletion: Json
) -> None:
    elsewhere = send(db, world.direct, world.bob, "elsewhere")
    for message_id in (elsewhere["id"], NOBODY):
        refuse(db, "not_found", "delete_message_atomic", **deletion | {"message_id": message_id})


def test_nothing_is_deleted_in_a_closed_conversation(
    db: Connection, world: World, deletion: Json
) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.group, actor_id=world.ann)
    refuse(db, "conversation_closed", "delete_message_atomic", **deletion)


def test_the_message_must_be_named(db: Connection, world: World, deletion: Json) -> None:
    refuse(db, "validation_error", "delete_message_atomic", **deletion | {"message_id": None})


def test_a_deleted_message_is_not_unread(db: Connection, world: World, deletion: Json) -> None:
    def unread() -> int:
        result = succeed(db, "get_conversation", conversation_id=world.group, actor_id=world.cid)
        count: int = result["conversation"]["unread_count"]
        return count

    assert unread() == 2
    succeed(db, "delete_message_atomic", **deletion)
    assert unread() == 1


def test_the_desk_cannot_do_that_to_what_a_contact_sees(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "delete_message_atomic",
        conversation_id=world.thread,
        actor_id=world.ann,
        message_id=world.offer["id"],
    )
