"""api.deactivate_user_atomic."""

import pytest

from tests.rpc.behind import events, rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, new_group, refuse, send, succeed


def promote(db: Connection, world: World, user_id: str) -> None:
    """Make somebody an owner of the group."""
    succeed(
        db,
        "change_member_role_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        user_id=user_id,
        role="owner",
    )


def test_a_deactivated_user_has_left_every_group(db: Connection, world: World) -> None:
    other = new_group(db, world.ann, world.bob)
    result = succeed(db, "deactivate_user_atomic", user_id=world.bob)
    assert set(result) == {"success", "user_id", "user"}
    assert result["user"]["deactivated_at"] is not None
    for group in (world.group, other):
        told = events(db, group)[-1]
        assert (told["type"], told["user_ids"]) == ("member_removed", [world.bob])
        assert told["message"]["content"] == "Bob left"
        refuse(
            db,
            "permission_denied",
            "send_message_atomic",
            conversation_id=group,
            actor_id=world.bob,
            content="x",
        )


def test_conversations_of_two_keep_them(db: Connection, world: World) -> None:
    succeed(db, "deactivate_user_atomic", user_id=world.bob)
    send(db, world.direct, world.ann, "are you there?")
    listed = succeed(db, "list_members", conversation_id=world.direct, actor_id=world.ann)
    assert len(listed["members"]) == 2


def test_again_changes_nothing(db: Connection, world: World) -> None:
    for actor in ({}, {"actor_id": world.bob}):
        first = succeed(db, "deactivate_user_atomic", user_id=world.bob, **actor)
        again = succeed(db, "deactivate_user_atomic", user_id=world.bob, **actor)
        assert (again["duplicate"], again["user"]) == (True, first["user"])
        succeed(db, "upsert_user_atomic", user_id=world.bob)


def test_the_last_owner_of_a_group_stays_while_others_remain(db: Connection, world: World) -> None:
    other = new_group(db, world.ann, world.dee)
    new_group(db, world.ann)
    result = refuse(db, "last_owner", "deactivate_user_atomic", user_id=world.ann)
    assert result["details"] == {"conversation_ids": sorted([world.group, other])}
    assert rows(db, "select count(*) from chat.members where left_seq is not null") == [(0,)]
    promote(db, world, world.bob)
    succeed(
        db, "remove_member_atomic", conversation_id=other, actor_id=world.ann, user_id=world.dee
    )
    succeed(db, "deactivate_user_atomic", user_id=world.ann)


def test_users_deactivate_themselves_only(db: Connection, world: World) -> None:
    refuse(db, "permission_denied", "deactivate_user_atomic", user_id=world.cid, actor_id=world.ann)
    succeed(db, "deactivate_user_atomic", user_id=world.cid, actor_id=world.cid)


@pytest.mark.parametrize(("user_id", "code"), [(None, "validation_error"), (NOBODY, "not_found")])
def test_whom_must_be_said_and_known(
    db: Connection, world: World, user_id: str | None, code: str
) -> None:
    refuse(db, code, "deactivate_user_atomic", user_id=user_id)


def test_coming_back_brings_no_group_back(db: Connection, world: World) -> None:
    succeed(db, "deactivate_user_atomic", user_id=world.bob)
    succeed(db, "upsert_user_atomic", user_id=world.bob)
    listed = succeed(db, "list_conversations", actor_id=world.bob)["conversations"]
    assert [conversation["conversation_id"] for conversation in listed] == [world.direct]
