"""api.list_messages."""

import pytest

from tests.rpc.behind import MESSAGE_KEYS, set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def by_cid(db: Connection, world: World) -> Json:
    """Cid, in the group, which holds ten messages; numbers 11 to 13 are changes."""
    for number in range(3, 11):
        last = send(db, world.group, world.ann, str(number))
    for emoji in "abc":
        succeed(
            db,
            "add_reaction_atomic",
            conversation_id=world.group,
            actor_id=world.bob,
            message_id=last["id"],
            emoji=emoji,
        )
    return {"conversation_id": world.group, "actor_id": world.cid}


def page(db: Connection, **arguments: object) -> tuple[list[int], bool]:
    """The numbers on a page, and whether there are more."""
    result = succeed(db, "list_messages", **arguments)
    assert set(result) == {"success", "messages", "last_seq", "has_more"}
    return [message["seq"] for message in result["messages"]], result["has_more"]


@pytest.mark.parametrize(
    ("asked", "numbers", "has_more"),
    [
        ({}, list(range(1, 11)), False),
        ({"limit": 3}, [8, 9, 10], True),
        ({"limit": 10}, list(range(1, 11)), False),
        ({"before_seq": 4}, [1, 2, 3], False),
        ({"before_seq": 4, "limit": 2}, [2, 3], True),
        ({"before_seq": 1}, [], False),
        ({"after_seq": 8}, [9, 10], False),
        ({"after_seq": 2, "limit": 2}, [3, 4], True),
        ({"after_seq": 0, "limit": 1}, [1], True),
        ({"after_seq": 13}, [], False),
        ({"after_seq": 2, "before_seq": 5}, [3, 4], False),
        ({"after_seq": 2, "before_seq": 6, "limit": 2}, [3, 4], True),
        ({"after_seq": -5, "limit": 1}, [1], True),
        ({"before_seq": 2**63 - 1, "limit": 1}, [10], True),
        ({"after_seq": 2**63 - 1}, [], False),
        ({"before_seq": -(2**63)}, [], False),
    ],
)
def test_a_page_is_ascending_wherever_it_begins(
    db: Connection, by_cid: Json, asked: Json, numbers: list[int], has_more: bool
) -> None:
    assert page(db, **by_cid, **asked) == (numbers, has_more)


def test_pages_meet_without_gap_or_overlap(db: Connection, by_cid: Json) -> None:
    read: list[int] = []
    before = None
    more = True
    while more:
        numbers, more = page(db, **by_cid, before_seq=before, limit=3)
        read[:0] = numbers
        before = numbers[0]
    assert read == list(range(1, 11))


def test_last_seq_is_the_logs_not_the_pages(db: Connection, by_cid: Json) -> None:
    assert succeed(db, "list_messages", **by_cid, before_seq=3)["last_seq"] == 13


def test_messages_are_whole_and_as_they_are_now(db: Connection, by_cid: Json) -> None:
    last = succeed(db, "list_messages", **by_cid, limit=1)["messages"][0]
    assert set(last) == MESSAGE_KEYS
    assert [reaction["emoji"] for reaction in last["reactions"]] == ["a", "b", "c"]


@pytest.mark.parametrize("limit", [0, -1, 101, None])
def test_a_page_holds_1_to_100(db: Connection, by_cid: Json, limit: int | None) -> None:
    result = refuse(db, "validation_error", "list_messages", **by_cid, limit=limit)
    assert result["details"] == {"field": "limit"}


def test_the_page_size_is_a_setting(db: Connection, by_cid: Json) -> None:
    set_limit(db, "page_size", 5)
    refuse(db, "validation_error", "list_messages", **by_cid, limit=6)


@pytest.mark.parametrize(("history", "numbers"), [("all", [1, 2, 3]), ("joined", [2, 3])])
def test_a_newcomer_sees_what_the_history_setting_says(
    db: Connection, world: World, history: str, numbers: list[int]
) -> None:
    group = succeed(
        db,
        "create_conversation_atomic",
        kind="group",
        actor_id=world.ann,
        history=history,
        initial_message="before",
    )["conversation_id"]
    in_group = {"conversation_id": group, "actor_id": world.ann}
    succeed(db, "add_members_atomic", **in_group, member_ids=[world.bob])
    send(db, group, world.ann, "after")
    assert page(db, conversation_id=group, actor_id=world.bob) == (numbers, False)
    assert page(db, conversation_id=group, actor_id=world.ann) == ([1, 2, 3], False)
    assert page(db, conversation_id=group, actor_id=world.bob, before_seq=3, limit=1) == (
        [2],
        len(numbers) == 3,
    )
    found = succeed(db, "search_messages", actor_id=world.bob, query="before")["messages"]
    assert [message["seq"] for message in found] == numbers[:-2]
