"""api.add_members_atomic."""

import pytest

from tests.rpc.behind import events, forget_status, response_status, rows, set_limit
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_user, new_users, refuse, send, succeed


@pytest.fixture
def by_ann(world: World) -> Json:
    """Ann, owner of the group of Ann, Bob and Cid."""
    return {"conversation_id": world.group, "actor_id": world.ann}


def test_who_is_new_is_added_with_one_system_message(
    db: Connection, world: World, by_ann: Json
) -> None:
    eve = new_user(db, "Eve", tenant_id=world.tenant_id)
    forget_status(db)
    wanted = [eve, world.bob, world.dee, eve]
    result = succeed(db, "add_members_atomic", **by_ann, member_ids=wanted)
    assert response_status(db) == "201"
    message = result.pop("message")
    assert result == {
        "success": True,
        "added": [world.dee, eve],
        "already_members": [world.bob],
        "affected_count": 2,
    }
    assert (message["type"], message["source"], message["sender_id"]) == ("system", "system", None)
    assert message["content"] == "Ann added Dee, Eve"
    assert message["metadata"] == {
        "event": "member_added",
        "actor_id": world.ann,
        "user_ids": [world.dee, eve],
    }
    assert events(db, world.group)[-1] == {
        "type": "member_added",
        "conversation_id": world.group,
        "seq": 3,
        "user_ids": [world.dee, eve],
        "message": message,
    }


def test_many_names_are_shortened(db: Connection, world: World, by_ann: Json) -> None:
    many = new_users(db, 20, tenant_id=world.tenant_id)
    result = succeed(db, "add_members_atomic", **by_ann, member_ids=many)
    first = ", ".join(f"User {many.index(user) + 1}" for user in sorted(many)[:3])
    assert result["message"]["content"] == f"Ann added {first} and 17 more"
    assert len(result["message"]["metadata"]["user_ids"]) == result["affected_count"] == 20


def test_again_adds_nobody(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "add_members_atomic", **by_ann, member_ids=[world.dee])
    forget_status(db)
    again = succeed(db, "add_members_atomic", **by_ann, member_ids=[world.dee])
    assert again == {
        "success": True,
        "added": [],
        "already_members": [world.dee],
        "message": None,
        "affected_count": 0,
        "duplicate": True,
    }
    assert response_status(db) == "200"


def test_all_or_nobody(db: Connection, world: World, by_ann: Json) -> None:
    for stranger in (world.zoe, NOBODY):
        result = refuse(
            db, "not_found", "add_members_atomic", **by_ann, member_ids=[world.dee, stranger]
        )
        assert result["details"] == {"field": "member_ids", "user_ids": [stranger]}
    assert len(succeed(db, "list_members", **by_ann)["members"]) == 3


def test_the_deactivated_are_not_added(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "deactivate_user_atomic", user_id=world.dee)
    refuse(db, "not_found", "add_members_atomic", **by_ann, member_ids=[world.dee])


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("admin", True), ("member", False)])
def test_owners_and_admins_add(
    db: Connection, world: World, by_ann: Json, role: str, may: bool
) -> None:
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role=role)
    by_bob = by_ann | {"actor_id": world.bob}
    if may:
        succeed(db, "add_members_atomic", **by_bob, member_ids=[world.dee])
    else:
        refuse(db, "permission_denied", "add_members_atomic", **by_bob, member_ids=[world.dee])


def test_who_may_not_add_learns_nothing_about_the_people_named(
    db: Connection, world: World, by_ann: Json
) -> None:
    for actor_id, code in ((world.bob, "permission_denied"), (world.dee, "not_a_member")):
        refuse(
            db, code, "add_members_atomic", **by_ann | {"actor_id": actor_id}, member_ids=[NOBODY]
        )


def test_a_direct_conversation_has_fixed_members(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "add_members_atomic",
        conversation_id=world.direct,
        actor_id=world.ann,
        member_ids=[world.cid],
    )


def test_nobody_joins_a_closed_conversation(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "close_conversation_atomic", **by_ann)
    refuse(db, "conversation_closed", "add_members_atomic", **by_ann, member_ids=[world.dee])


@pytest.mark.parametrize("member_ids", [None, [], [None], "{{%s},{%s}}"])
def test_members_are_a_plain_list(
    db: Connection, world: World, by_ann: Json, member_ids: list[None] | str | None
) -> None:
    if isinstance(member_ids, str):
        member_ids %= (world.dee, world.bob)
    result = refuse(db, "validation_error", "add_members_atomic", **by_ann, member_ids=member_ids)
    assert result["details"] == {"field": "member_ids"}


def test_an_addition_has_a_limit(db: Connection, world: World, by_ann: Json) -> None:
    result = refuse(db, "too_large", "add_members_atomic", **by_ann, member_ids=[NOBODY] * 1001)
    assert result["details"] == {"field": "member_ids", "limit": 1000}
    set_limit(db, "members_per_addition", 1)
    succeed(db, "add_members_atomic", **by_ann, member_ids=[world.dee])


def test_who_comes_back_is_a_plain_member_from_now_on(
    db: Connection, world: World, by_ann: Json
) -> None:
    by_bob = by_ann | {"actor_id": world.bob}
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role="admin")
    succeed(db, "set_notification_preferences_atomic", **by_bob, notify="none")
    succeed(db, "remove_member_atomic", **by_bob, user_id=world.bob)
    send(db, world.group, world.ann, "while away")
    result = succeed(db, "add_members_atomic", **by_ann, member_ids=[world.bob])
    assert rows(
        db,
        "select role, notify, joined_seq, left_seq, read_seq, delivered_seq from chat.members"
        " where conversation_id = %s and user_id = %s",
        world.group,
        world.bob,
    ) == [("member", "all", result["message"]["seq"], None, 6, 6)]
    listed = succeed(db, "list_messages", **by_bob)["messages"]
    assert [message["seq"] for message in listed] == [1, 2, 3, 4, 5, 6]
