"""api.list_threads."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.behind import CONVERSATION_KEYS, acting_as, rows, set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_channel, receive, refuse, send, succeed

THREAD_KEYS = CONVERSATION_KEYS | {
    "contact",
    "channel",
    "assignee_id",
    "responder_id",
    "taken_over_at",
    "window_open_until",
    "read_seq",
    "unread_count",
    "last_activity_at",
    "last_message",
}


def listed(db: Connection, world: World, **arguments: Any) -> list[Json]:
    """The threads Ann is shown."""
    found: list[Json] = succeed(db, "list_threads", actor_id=world.ann, **arguments)["threads"]
    return found


def ids(threads: list[Json]) -> list[str]:
    return [thread["conversation_id"] for thread in threads]


@pytest.fixture
def others(db: Connection, world: World) -> list[str]:
    """Three more threads, the latest last."""
    numbers = ("+4915100000001", "+4915100000002", "+4915100000003")
    return [
        receive(db, world.channel, f"hi {n}", contact=number, display_name=f"Caller {n}")[
            "conversation_id"
        ]
        for n, number in enumerate(numbers)
    ]


def test_a_thread_says_who_where_and_what_is_unread(db: Connection, world: World) -> None:
    (thread,) = listed(db, world)
    assert set(thread) == THREAD_KEYS
    assert (thread["kind"], thread["conversation_id"]) == ("inbox", world.thread)
    assert thread["contact"] == {
        "id": world.contact,
        "display_name": "Con",
        "identities": [{"kind": "phone", "value": "+491701234567"}],
    }
    assert thread["channel"] == {
        "channel_id": world.channel["channel_id"],
        "provider": "whatsapp",
        "display_name": "Our shop",
    }
    assert thread["canonical_key"] == f"phone:{world.tenant_id}:+491701234567"
    assert (thread["unread_count"], thread["read_seq"]) == (1, 0)
    assert thread["last_message"] == world.question
    assert thread["window_open_until"] > thread["last_activity_at"]


def test_latest_activity_of_either_side_comes_first(
    db: Connection, world: World, others: list[str]
) -> None:
    assert ids(listed(db, world)) == [*reversed(others), world.thread]
    send(db, others[0], world.ann, "hello")
    receive(db, world.channel, "still there?")
    assert ids(listed(db, world)) == [world.thread, others[0], others[2], others[1]]


def test_pages_meet_without_gap_or_overlap(db: Connection, world: World, others: list[str]) -> None:
    seen: list[str] = []
    before = None
    more = True
    while more:
        page = succeed(db, "list_threads", actor_id=world.bob, limit=1, before=before)
        seen += ids(page["threads"])
        before, more = page["next_before"], page["has_more"]
    assert before is None
    assert seen == [*reversed(others), world.thread]


def test_a_time_alone_is_a_cursor(db: Connection, world: World, others: list[str]) -> None:
    latest = listed(db, world)[0]
    assert ids(listed(db, world, before=latest["last_activity_at"])) == [
        others[1],
        others[0],
        world.thread,
    ]
    refuse(db, "validation_error", "list_threads", actor_id=world.ann, before="yesterday")


def test_unread_only_leaves_out_what_was_read_and_what_was_taken_back(
    db: Connection, world: World, others: list[str]
) -> None:
    succeed(db, "mark_thread_read_atomic", thread=others[1], actor_id=world.bob)
    assert ids(listed(db, world, unread_only=True)) == [others[2], others[0], world.thread]
    taken_back = {
        "provider": "whatsapp",
        "payload": "{}",
        "events": [
            {
                "kind": "revoke",
                "address": world.channel["address"],
                "id": "wamid.gone",
                "at": "2026-01-01T00:00:00Z",
                "contact": {"phone": "+4915100000003"},
                "target": _provider_id(db, others[2]),
                "by": "contact",
            }
        ],
    }
    succeed(db, "receive_webhooks_atomic", webhooks=Jsonb([taken_back]))
    assert ids(listed(db, world, unread_only=True)) == [others[0], world.thread]
    receive(db, world.channel, "again", contact="+4915100000003")
    assert listed(db, world, unread_only=True)[0]["unread_count"] == 1


def _provider_id(db: Connection, thread: str) -> str:
    found: str = rows(
        db,
        "select provider_message_id from chat.provider_messages where conversation_id = %s",
        thread,
    )[0][0]
    return found


@pytest.mark.parametrize(
    "query", ["caller 1", "CALLER 1", "5100000002", "+49 151 0000-0002", "ller 1"]
)
def test_a_thread_is_found_by_name_or_number(
    db: Connection, world: World, others: list[str], query: str
) -> None:
    assert ids(listed(db, world, query=query)) == [others[1]]


def test_a_thread_is_found_by_any_identity(db: Connection, world: World, others: list[str]) -> None:
    contact = listed(db, world)[0]["contact"]["id"]
    succeed(
        db,
        "link_contact_atomic",
        actor_id=world.ann,
        contact_id=contact,
        kind="lead",
        value="Lead-77%_",
    )
    assert ids(listed(db, world, query="lead-77%_")) == [others[2]]
    assert listed(db, world, query="lead-77x_") == []
    assert len(listed(db, world, query="")) == 4
    assert listed(db, world, query="nobody") == []


def test_filters_go_together(db: Connection, world: World, others: list[str]) -> None:
    for thread in others[:2]:
        succeed(
            db,
            "assign_thread_atomic",
            conversation_id=thread,
            actor_id=world.ann,
            assignee_id=world.bob,
        )
    succeed(db, "close_conversation_atomic", conversation_id=others[0], actor_id=world.ann)
    assert ids(listed(db, world, assignee_id=world.bob)) == [others[1], others[0]]
    assert ids(listed(db, world, closed=True)) == [others[0]]
    assert ids(listed(db, world, closed=False)) == [others[2], others[1], world.thread]
    assert ids(listed(db, world, assignee_id=world.bob, closed=False)) == [others[1]]
    assert ids(listed(db, world, assignee_id=world.bob, closed=False, query="caller 0")) == []
    assert listed(db, world, assignee_id=world.ann) == []


def test_a_channel_without_a_window_is_always_open(db: Connection, world: World) -> None:
    new_channel(db, world.tenant_id, reply_window="0")
    assert listed(db, world)[0]["window_open_until"] == "infinity"


def test_another_tenants_desk_sees_nothing_of_it(db: Connection, world: World) -> None:
    assert succeed(db, "list_threads", actor_id=world.zoe)["threads"] == []


@pytest.mark.parametrize("limit", [0, 101, None])
def test_a_page_holds_1_to_100(db: Connection, world: World, limit: int | None) -> None:
    result = refuse(db, "validation_error", "list_threads", actor_id=world.ann, limit=limit)
    assert result["details"] == {"field": "limit"}


def test_a_query_has_a_limit(db: Connection, world: World) -> None:
    set_limit(db, "query_characters", 5)
    refuse(db, "too_large", "list_threads", actor_id=world.ann, query="123456")
    refuse(db, "validation_error", "list_threads", actor_id=world.ann, query="  ")


def test_a_persons_token_lists_what_a_service_lists(db: Connection, world: World) -> None:
    by_service = listed(db, world)
    with acting_as(db, "parley_user", {"sub": world.ann}):
        assert succeed(db, "list_threads")["threads"] == by_service


def test_an_inbox_is_not_among_ones_conversations(db: Connection, world: World) -> None:
    send(db, world.thread, world.ann, "we are")
    conversations = succeed(db, "list_conversations", actor_id=world.ann)["conversations"]
    assert {one["conversation_id"] for one in conversations} == {world.group, world.direct}
    subscriptions = succeed(db, "list_subscriptions", actor_id=world.ann)
    assert subscriptions["desk_id"] == world.tenant_id
    assert {one["conversation_id"] for one in subscriptions["conversations"]} == {
        world.group,
        world.direct,
    }
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[])
    assert succeed(db, "list_subscriptions", actor_id=world.ann)["desk_id"] is None
