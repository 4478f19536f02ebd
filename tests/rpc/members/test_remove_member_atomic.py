"""api.remove_member_atomic."""

import pytest

from tests.rpc.behind import events, response_status, rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def by_ann(world: World) -> Json:
    """Ann, owner of the group of Ann, Bob and Cid."""
    return {"conversation_id": world.group, "actor_id": world.ann}


def promote(db: Connection, world: World, user_id: str, role: str) -> None:
    """Give somebody in the group a role."""
    succeed(
        db,
        "change_member_role_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        user_id=user_id,
        role=role,
    )


def test_a_removal_has_its_system_message(db: Connection, world: World, by_ann: Json) -> None:
    result = succeed(db, "remove_member_atomic", **by_ann, user_id=world.bob)
    assert set(result) == {"success", "message", "affected_count"}
    assert result["affected_count"] == 1
    assert result["message"]["content"] == "Ann removed Bob"
    assert result["message"]["metadata"] == {
        "event": "member_removed",
        "actor_id": world.ann,
        "user_ids": [world.bob],
    }
    assert events(db, world.group)[-1]["type"] == "member_removed"
    assert len(succeed(db, "list_members", **by_ann)["members"]) == 2


def test_leaving_has_its_own(db: Connection, world: World, by_ann: Json) -> None:
    leaving = by_ann | {"actor_id": world.bob}
    message = succeed(db, "remove_member_atomic", **leaving, user_id=world.bob)["message"]
    assert (message["content"], message["metadata"]["event"]) == ("Bob left", "member_left")
    assert events(db, world.group)[-1]["type"] == "member_removed"


def test_a_removed_member_can_do_nothing_there(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "remove_member_atomic", **by_ann, user_id=world.bob)
    by_bob = by_ann | {"actor_id": world.bob}
    refuse(db, "not_a_member", "send_message_atomic", **by_bob, content="but")
    refuse(db, "not_a_member", "list_messages", **by_bob)
    refuse(
        db,
        "not_a_member",
        "edit_message_atomic",
        **by_bob,
        message_id=world.reply["id"],
        content="mine",
    )


def test_removing_again_changes_nothing(db: Connection, world: World, by_ann: Json) -> None:
    for actor_id in (world.ann, world.bob):
        attempt = by_ann | {"actor_id": actor_id, "user_id": world.bob}
        again = {"success": True, "message": None, "affected_count": 0, "duplicate": True}
        if actor_id == world.ann:
            succeed(db, "remove_member_atomic", **attempt)
        assert succeed(db, "remove_member_atomic", **attempt) == again
        assert response_status(db) == "200"
    assert len(events(db, world.group)) == 4


@pytest.mark.parametrize(
    ("actor", "target", "may"),
    [
        ("owner", "owner", True),
        ("owner", "admin", True),
        ("owner", "member", True),
        ("admin", "owner", False),
        ("admin", "admin", False),
        ("admin", "member", True),
        ("member", "owner", False),
        ("member", "admin", False),
        ("member", "member", False),
    ],
)
def test_who_may_remove_whom(
    db: Connection, world: World, by_ann: Json, actor: str, target: str, may: bool
) -> None:
    promote(db, world, world.bob, actor)
    promote(db, world, world.cid, target)
    attempt = by_ann | {"actor_id": world.bob, "user_id": world.cid}
    if may:
        succeed(db, "remove_member_atomic", **attempt)
    else:
        refuse(db, "permission_denied", "remove_member_atomic", **attempt)


@pytest.mark.parametrize("role", ["admin", "member"])
def test_anyone_but_the_last_owner_leaves(
    db: Connection, world: World, by_ann: Json, role: str
) -> None:
    promote(db, world, world.bob, role)
    succeed(db, "remove_member_atomic", **by_ann | {"actor_id": world.bob}, user_id=world.bob)


def test_the_last_owner_cannot_leave_while_others_remain(
    db: Connection, world: World, by_ann: Json
) -> None:
    leave = by_ann | {"user_id": world.ann}
    refuse(db, "last_owner", "remove_member_atomic", **leave)
    promote(db, world, world.bob, "owner")
    succeed(db, "remove_member_atomic", **leave)


def test_the_last_one_out_leaves_an_empty_group(db: Connection, world: World, by_ann: Json) -> None:
    for user_id in (world.bob, world.cid, world.ann):
        succeed(db, "remove_member_atomic", **by_ann, user_id=user_id)
    assert rows(
        db, "select member_count from chat.conversations where conversation_id = %s", world.group
    ) == [(0,)]


def test_who_never_was_a_member_is_not_found(db: Connection, world: World, by_ann: Json) -> None:
    for user_id in (world.dee, world.zoe, NOBODY):
        refuse(db, "not_found", "remove_member_atomic", **by_ann, user_id=user_id)
    refuse(
        db,
        "not_a_member",
        "remove_member_atomic",
        **by_ann | {"actor_id": world.dee},
        user_id=world.dee,
    )


def test_a_direct_conversation_has_fixed_members(db: Connection, world: World) -> None:
    for user_id in (world.ann, world.bob):
        refuse(
            db,
            "unsupported",
            "remove_member_atomic",
            conversation_id=world.direct,
            actor_id=world.ann,
            user_id=user_id,
        )


def test_whom_must_be_said(db: Connection, by_ann: Json) -> None:
    result = refuse(db, "validation_error", "remove_member_atomic", **by_ann, user_id=None)
    assert result["details"] == {"field": "user_id"}


def test_messages_of_who_left_keep_their_sender(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "remove_member_atomic", **by_ann, user_id=world.bob)
    assert succeed(db, "list_messages", **by_ann)["messages"][1] == world.reply
    send(db, world.group, world.ann, "gone", reply_to_id=world.reply["id"])
