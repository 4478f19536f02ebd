"""api.search_messages."""

import pytest

from tests.rpc.behind import MESSAGE_KEYS
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_group, refuse, send, succeed


def found(db: Connection, actor_id: str, query: str, **more: object) -> list[str]:
    """The contents found."""
    result = succeed(db, "search_messages", actor_id=actor_id, query=query, **more)
    assert set(result) == {"success", "messages"}
    return [message["content"] for message in result["messages"]]


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("lamp", 2),
        ("LAMP", 2),
        ("red lamp", 1),
        ('"the red lamp"', 1),
        ("lamp -red", 1),
        ("red or green", 2),
        ("lam", 0),
        ("!!!", 0),
        ("'; drop table", 0),
        ("עברית", 1),
    ],
)
def test_queries_read_as_web_searches_do(
    db: Connection, world: World, query: str, hits: int
) -> None:
    for content in ("the red lamp", "the green lamp", "שפה עברית"):
        send(db, world.direct, world.ann, content)
    assert len(found(db, world.bob, query)) == hits


def test_the_newest_come_first_and_whole(db: Connection, world: World) -> None:
    for number in range(3):
        send(db, world.group if number == 1 else world.direct, world.ann, f"tea {number}")
    assert found(db, world.bob, "tea") == ["tea 2", "tea 1", "tea 0"]
    assert found(db, world.bob, "tea", limit=1) == ["tea 2"]
    assert found(db, world.bob, "tea", conversation_id=world.direct) == ["tea 2", "tea 0"]
    result = succeed(db, "search_messages", actor_id=world.bob, query="tea", limit=1)
    assert set(result["messages"][0]) == MESSAGE_KEYS


def test_only_where_one_is_a_member_now(db: Connection, world: World) -> None:
    send(db, new_group(db, world.ann, world.cid), world.ann, "treasure")
    assert found(db, world.bob, "treasure") == found(db, world.zoe, "treasure") == []
    assert found(db, world.cid, "hello") == ["hello Ann", "hello"]
    succeed(
        db,
        "remove_member_atomic",
        conversation_id=world.group,
        actor_id=world.cid,
        user_id=world.cid,
    )
    assert found(db, world.cid, "hello") == []


def test_edits_are_found_and_deletions_are_not(db: Connection, world: World) -> None:
    about = {
        "conversation_id": world.group,
        "actor_id": world.ann,
        "message_id": world.hello["id"],
    }
    succeed(db, "edit_message_atomic", **about, content="good evening")
    assert found(db, world.bob, "evening") == ["good evening"]
    succeed(db, "delete_message_atomic", **about)
    assert found(db, world.bob, "evening") == []


def test_system_messages_are_not_found(db: Connection, world: World) -> None:
    succeed(
        db,
        "add_members_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        member_ids=[world.dee],
    )
    assert found(db, world.bob, "Dee") == []


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"query": None}, "validation_error", "query"),
        ({"query": "  "}, "validation_error", "query"),
        ({"query": "x" * 1001}, "too_large", "query"),
        ({"limit": 0}, "validation_error", "limit"),
    ],
)
def test_arguments_are_checked(
    db: Connection, world: World, given: Json, code: str, field: str
) -> None:
    arguments = {"actor_id": world.ann, "query": "x"} | given
    assert refuse(db, code, "search_messages", **arguments)["details"]["field"] == field


def test_a_conversation_one_is_not_in_is_refused(db: Connection, world: World) -> None:
    in_group = {"query": "hello", "conversation_id": world.group}
    refuse(db, "not_a_member", "search_messages", actor_id=world.dee, **in_group)
    refuse(db, "not_found", "search_messages", actor_id=world.zoe, **in_group)


def test_too_long_a_query_is_told_its_limit(db: Connection, world: World) -> None:
    refuse(db, "too_large", "search_messages", actor_id=world.ann, query="word " * 300)
