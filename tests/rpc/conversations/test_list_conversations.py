"""api.list_conversations."""

import pytest

from tests.rpc.behind import LISTED_KEYS, rows
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_group, new_users, refuse, send, succeed


def ids(result: Json) -> list[str]:
    """Which conversations, in order."""
    return [conversation["conversation_id"] for conversation in result["conversations"]]


def test_the_newest_activity_comes_first(db: Connection, world: World) -> None:
    assert ids(succeed(db, "list_conversations", actor_id=world.bob)) == [world.group, world.direct]
    send(db, world.direct, world.ann, "hi")
    result = succeed(db, "list_conversations", actor_id=world.bob)
    assert ids(result) == [world.direct, world.group]
    assert set(result) == {"success", "conversations", "has_more", "next_before"}
    assert (result["has_more"], result["next_before"]) == (False, None)


def test_each_comes_with_what_a_list_shows(db: Connection, world: World) -> None:
    group = succeed(db, "list_conversations", actor_id=world.cid)["conversations"][0]
    assert set(group) == LISTED_KEYS
    assert (group["unread_count"], group["last_message"]) == (2, world.reply)
    assert group["members"] == [
        {"user_id": user_id, "display_name": name, "role": role}
        for user_id, name, role in sorted(
            [
                (world.ann, "Ann", "owner"),
                (world.bob, "Bob", "member"),
                (world.cid, "Cid", "member"),
            ]
        )
    ]


def test_the_preview_shows_five_members(db: Connection, world: World) -> None:
    new_group(db, world.dee, *new_users(db, 7, tenant_id=world.tenant_id))
    group = succeed(db, "list_conversations", actor_id=world.dee)["conversations"][0]
    assert (len(group["members"]), group["member_count"]) == (5, 8)


def test_only_ones_own_are_listed(db: Connection, world: World) -> None:
    assert ids(succeed(db, "list_conversations", actor_id=world.dee)) == []
    assert ids(succeed(db, "list_conversations", actor_id=world.zoe)) == []
    succeed(
        db,
        "remove_member_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        user_id=world.cid,
    )
    assert ids(succeed(db, "list_conversations", actor_id=world.cid)) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("same_time", [False, True])
def test_pages_meet_without_gap_or_overlap(
    db: Connection, world: World, size: int, same_time: bool
) -> None:
    made = [new_group(db, world.dee, title=str(number)) for number in range(7)]
    if same_time:
        rows(
            db,
            "update chat.conversations set created_at = '2026-01-01' where created_by = %s",
            world.dee,
        )
        made.sort()
    seen: list[str] = []
    before, more = None, True
    while more:
        result = succeed(db, "list_conversations", actor_id=world.dee, limit=size, before=before)
        seen += ids(result)
        before, more = result["next_before"], result["has_more"]
    assert seen == made[::-1]


def test_a_page_may_begin_at_a_time(db: Connection, world: World) -> None:
    at = succeed(db, "get_conversation", conversation_id=world.group, actor_id=world.ann)
    before = at["conversation"]["last_message_at"]
    result = succeed(db, "list_conversations", actor_id=world.ann, before=before)
    assert ids(result) == [world.direct]


@pytest.mark.parametrize(
    "before",
    [
        "",
        "yesterday",
        "now",
        "infinity",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00+99",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z/" + "-" * 36,
        "2026-01-01T00:00:00Z/",
        "2026-01-01T00:00:00Z/x",
        "2026-01-01",
    ],
)
def test_a_cursor_that_is_none_is_refused(db: Connection, world: World, before: str) -> None:
    result = refuse(db, "validation_error", "list_conversations", actor_id=world.ann, before=before)
    assert result["details"] == {"field": "before"}


@pytest.mark.parametrize("limit", [0, 101, None])
def test_a_page_holds_1_to_100(db: Connection, world: World, limit: int | None) -> None:
    result = refuse(db, "validation_error", "list_conversations", actor_id=world.ann, limit=limit)
    assert result["details"] == {"field": "limit"}


def test_what_one_may_not_see_is_not_the_last_message(db: Connection, world: World) -> None:
    group = succeed(
        db,
        "create_conversation_atomic",
        kind="group",
        actor_id=world.ann,
        history="joined",
        initial_message="secret",
    )["conversation_id"]
    message = succeed(
        db,
        "add_members_atomic",
        conversation_id=group,
        actor_id=world.ann,
        member_ids=[world.dee],
    )["message"]
    listed = succeed(db, "list_conversations", actor_id=world.dee)["conversations"][0]
    assert (listed["last_message"], listed["unread_count"]) == (message, 0)
