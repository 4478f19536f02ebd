"""api.close_conversation_atomic and api.reopen_conversation_atomic."""

import pytest

from tests.rpc.behind import events
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def by_ann(world: World) -> Json:
    """Ann, owner of the group."""
    return {"conversation_id": world.group, "actor_id": world.ann}


def test_closing_and_reopening_take_a_number_each(
    db: Connection, world: World, by_ann: Json
) -> None:
    closed = succeed(db, "close_conversation_atomic", **by_ann)["conversation"]
    assert closed["closed_at"] is not None
    opened = succeed(db, "reopen_conversation_atomic", **by_ann)["conversation"]
    assert opened["closed_at"] is None
    assert events(db, world.group)[-2:] == [
        {
            "type": kind,
            "conversation_id": world.group,
            "seq": seq,
            "actor_id": world.ann,
            "conversation": conversation,
        }
        for kind, seq, conversation in (
            ("conversation_closed", 3, closed),
            ("conversation_reopened", 4, opened),
        )
    ]
    assert send(db, world.group, world.bob, "again")["seq"] == 5


@pytest.mark.parametrize("function", ["close_conversation_atomic", "reopen_conversation_atomic"])
def test_again_changes_nothing(db: Connection, by_ann: Json, function: str) -> None:
    first = succeed(db, function, **by_ann)
    again = succeed(db, function, **by_ann)
    assert (again["duplicate"], again["conversation"]) == (True, first["conversation"])


@pytest.mark.parametrize("function", ["close_conversation_atomic", "reopen_conversation_atomic"])
@pytest.mark.parametrize(("role", "may"), [("admin", True), ("member", False)])
def test_in_a_group_it_takes_an_owner_or_admin(
    db: Connection, world: World, by_ann: Json, function: str, role: str, may: bool
) -> None:
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role=role)
    by_bob = by_ann | {"actor_id": world.bob}
    if may:
        succeed(db, function, **by_bob)
    else:
        refuse(db, "permission_denied", function, **by_bob)


def test_either_closes_a_direct_conversation(db: Connection, world: World) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.direct, actor_id=world.bob)
    succeed(db, "reopen_conversation_atomic", conversation_id=world.direct, actor_id=world.ann)


def test_reading_and_leaving_go_on_in_a_closed_conversation(
    db: Connection, world: World, by_ann: Json
) -> None:
    succeed(db, "close_conversation_atomic", **by_ann)
    by_bob = by_ann | {"actor_id": world.bob}
    assert succeed(db, "mark_read_atomic", **by_bob)["unread_count"] == 0
    assert len(succeed(db, "list_messages", **by_bob)["messages"]) == 2
    assert succeed(db, "remove_member_atomic", **by_bob, user_id=world.bob)["affected_count"] == 1
