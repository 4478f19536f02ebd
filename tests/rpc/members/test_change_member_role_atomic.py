"""api.change_member_role_atomic."""

import pytest

from tests.rpc.behind import events
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_group, refuse, succeed


@pytest.fixture
def by_ann(world: World) -> Json:
    """Ann, owner of the group of Ann, Bob and Cid."""
    return {"conversation_id": world.group, "actor_id": world.ann}


def roles(db: Connection, world: World) -> dict[str, str]:
    """Roles by name."""
    result = succeed(db, "list_members", conversation_id=world.group, actor_id=world.ann)
    return {member["display_name"]: member["role"] for member in result["members"]}


def test_a_change_has_its_system_message(db: Connection, world: World, by_ann: Json) -> None:
    result = succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role="admin")
    assert set(result) == {"success", "message", "affected_count"}
    assert result["affected_count"] == 1
    assert result["message"]["content"] == "Ann made Bob admin"
    assert result["message"]["metadata"] == {
        "event": "role_changed",
        "actor_id": world.ann,
        "user_ids": [world.bob],
        "role": "admin",
    }
    assert events(db, world.group)[-1] == {
        "type": "role_changed",
        "conversation_id": world.group,
        "seq": 3,
        "user_ids": [world.bob],
        "message": result["message"],
    }
    assert roles(db, world) == {"Ann": "owner", "Bob": "admin", "Cid": "member"}


def test_the_same_role_again_changes_nothing(db: Connection, world: World, by_ann: Json) -> None:
    result = succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role="member")
    assert result == {"success": True, "message": None, "affected_count": 0, "duplicate": True}


@pytest.mark.parametrize("role", ["admin", "member"])
def test_only_owners_change_roles(db: Connection, world: World, by_ann: Json, role: str) -> None:
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role=role)
    by_bob = by_ann | {"actor_id": world.bob}
    for target in (world.bob, world.cid, NOBODY):
        refuse(
            db,
            "permission_denied",
            "change_member_role_atomic",
            **by_bob,
            user_id=target,
            role="owner",
        )


def test_the_last_owner_is_not_demoted(db: Connection, world: World, by_ann: Json) -> None:
    demotion = by_ann | {"user_id": world.ann, "role": "member"}
    refuse(db, "last_owner", "change_member_role_atomic", **demotion)
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role="owner")
    succeed(db, "change_member_role_atomic", **demotion)
    assert roles(db, world) == {"Ann": "member", "Bob": "owner", "Cid": "member"}


def test_not_even_alone(db: Connection, world: World) -> None:
    refuse(
        db,
        "last_owner",
        "change_member_role_atomic",
        conversation_id=new_group(db, world.ann),
        actor_id=world.ann,
        user_id=world.ann,
        role="member",
    )


def test_an_owner_demotes_another(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role="owner")
    by_bob = by_ann | {"actor_id": world.bob}
    succeed(db, "change_member_role_atomic", **by_bob, user_id=world.ann, role="member")
    refuse(db, "last_owner", "change_member_role_atomic", **by_bob, user_id=world.bob, role="admin")


def test_who_is_not_a_member_is_not_found(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "remove_member_atomic", **by_ann, user_id=world.cid)
    for user_id in (world.cid, world.dee, world.zoe, NOBODY):
        refuse(
            db, "not_found", "change_member_role_atomic", **by_ann, user_id=user_id, role="admin"
        )


def test_a_direct_conversation_has_no_roles(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "change_member_role_atomic",
        conversation_id=world.direct,
        actor_id=world.ann,
        user_id=world.bob,
        role="owner",
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [({"user_id": None}, "user_id"), ({"role": None}, "role"), ({"role": "boss"}, "role")],
)
def test_arguments_are_checked(
    db: Connection, world: World, by_ann: Json, given: Json, field: str
) -> None:
    arguments = by_ann | {"user_id": world.bob, "role": "admin"} | given
    result = refuse(db, "validation_error", "change_member_role_atomic", **arguments)
    assert result["details"] == {"field": field}
