"""api.list_members."""

import pytest

from tests.rpc.conftest import World
from tests.support import Connection, new_group, new_users, refuse, succeed


def test_active_members_come_with_roles_and_marks(db: Connection, world: World) -> None:
    in_group = {"conversation_id": world.group, "actor_id": world.bob}
    succeed(db, "mark_read_atomic", **in_group)
    succeed(
        db,
        "remove_member_atomic",
        conversation_id=world.group,
        actor_id=world.cid,
        user_id=world.cid,
    )
    result = succeed(db, "list_members", **in_group)
    assert set(result) == {"success", "members", "has_more"}
    ann, bob = sorted(result["members"], key=lambda member: member["display_name"])
    assert set(ann) == {
        "user_id",
        "display_name",
        "kind",
        "role",
        "joined_at",
        "joined_seq",
        "delivered_seq",
        "read_seq",
        "last_read_at",
    }
    assert (ann["user_id"], ann["kind"], ann["role"], ann["read_seq"]) == (
        world.ann,
        "person",
        "owner",
        0,
    )
    assert (bob["user_id"], bob["role"], bob["read_seq"]) == (world.bob, "member", 2)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 100])
def test_pages_meet_without_gap_or_overlap(db: Connection, world: World, size: int) -> None:
    others = new_users(db, 7, tenant_id=world.tenant_id)
    in_group = {"conversation_id": new_group(db, world.ann, *others), "actor_id": world.ann}
    seen: list[str] = []
    more = True
    while more:
        after = seen[-1] if seen else None
        result = succeed(db, "list_members", **in_group, limit=size, after=after)
        seen += [member["user_id"] for member in result["members"]]
        more = result["has_more"]
    assert seen == sorted([world.ann, *others])


@pytest.mark.parametrize("limit", [0, 101, None])
def test_a_page_holds_1_to_100(db: Connection, world: World, limit: int | None) -> None:
    in_group = {"conversation_id": world.group, "actor_id": world.ann}
    result = refuse(db, "validation_error", "list_members", **in_group, limit=limit)
    assert result["details"] == {"field": "limit"}
