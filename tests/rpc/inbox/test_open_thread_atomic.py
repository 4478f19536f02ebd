"""api.open_thread_atomic."""

from typing import Any

import pytest

from tests.rpc.behind import events, set_limit, value
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_channel, receive, refuse, send, succeed

PHONE = "+4915112345678"


def opened(db: Connection, world: World, contact: Json, **arguments: Any) -> Json:
    """Ann opens a thread."""
    return succeed(db, "open_thread_atomic", actor_id=world.ann, contact=contact, **arguments)


def test_somebody_unknown_has_a_thread_then(db: Connection, world: World) -> None:
    result = opened(db, world, {"phone": PHONE, "lead": "L-1"}, display_name="Lea")
    thread = result["thread"]
    assert thread["conversation_id"] == result["conversation_id"]
    assert thread["contact"]["display_name"] == "Lea"
    assert thread["contact"]["identities"] == [
        {"kind": "lead", "value": "L-1"},
        {"kind": "phone", "value": PHONE},
    ]
    assert thread["canonical_key"] == f"lead:{world.tenant_id}:L-1"
    assert (thread["unread_count"], thread["window_open_until"]) == (0, None)
    assert [one["type"] for one in events(db, result["conversation_id"])] == [
        "conversation_created"
    ]


def test_again_it_is_the_same_one(db: Connection, world: World) -> None:
    first = opened(db, world, {"phone": PHONE})
    again = opened(db, world, {"phone": PHONE}, display_name="Other")
    assert again["duplicate"] is True
    assert again["thread"] == first["thread"]
    assert opened(db, world, {"phone": "+491701234567"})["conversation_id"] == world.thread


def test_what_is_new_about_somebody_known_is_learned(db: Connection, world: World) -> None:
    result = opened(db, world, {"phone": "+491701234567", "lead": "L-1"})
    assert result["conversation_id"] == world.thread
    assert result["thread"]["canonical_key"] == f"lead:{world.tenant_id}:L-1"
    found = receive(db, world.channel, "it is me")
    assert found["conversation_id"] == world.thread


def test_who_writes_back_is_in_it(db: Connection, world: World) -> None:
    thread = opened(db, world, {"phone": PHONE})["conversation_id"]
    assert receive(db, world.channel, contact=PHONE)["conversation_id"] == thread
    send(db, thread, world.bob, "hello")


def test_answers_go_out_where_it_says_or_by_the_first_channel(db: Connection, world: World) -> None:
    other = new_channel(db, world.tenant_id, address="2002", display_name="Our other shop")
    first = opened(db, world, {"phone": PHONE})
    assert first["thread"]["channel"]["channel_id"] == world.channel["channel_id"]
    second = opened(db, world, {"lead": "L-2"}, channel_id=other["channel_id"])
    assert second["thread"]["channel"]["channel_id"] == other["channel_id"]


def test_a_channel_must_be_there(db: Connection, world: World) -> None:
    contact = {"phone": PHONE}
    for channel_id in (NOBODY, world.channel["channel_id"]):
        refuse(
            db,
            "not_found",
            "open_thread_atomic",
            actor_id=world.zoe,
            contact=contact,
            channel_id=channel_id,
        )
    refuse(db, "not_found", "open_thread_atomic", actor_id=world.zoe, contact=contact)


def test_what_leads_to_two_is_refused_until_they_are_linked(db: Connection, world: World) -> None:
    receive(db, world.channel, contact={"bsuid": "DE.1"})
    contact = {"phone": "+491701234567", "bsuid": "DE.1"}
    result = refuse(
        db, "validation_error", "open_thread_atomic", actor_id=world.ann, contact=contact
    )
    assert result["details"]["field"] == "contact"
    assert world.contact in result["details"]["contact_ids"]


@pytest.mark.parametrize(
    "contact",
    [
        None,
        {},
        {"phone": "0170 1234567"},
        {"phone": ""},
        {"phone": None},
        {"phone": 49170},
        {"email": "a@example.org"},
        {"lead": "L-1", "name": "x"},
    ],
)
def test_a_contact_is_known_by_something(db: Connection, world: World, contact: Json) -> None:
    before = value(db, "select count(*) from chat.users")
    result = refuse(
        db, "validation_error", "open_thread_atomic", actor_id=world.ann, contact=contact
    )
    assert result["details"] == {"field": "contact"}
    assert value(db, "select count(*) from chat.users") == before


def test_names_and_identities_have_limits(db: Connection, world: World) -> None:
    set_limit(db, "key_characters", 20)
    long = {"actor_id": world.ann, "contact": {"lead": "L" * 21}}
    refuse(db, "too_large", "open_thread_atomic", **long)
    refuse(
        db,
        "validation_error",
        "open_thread_atomic",
        actor_id=world.ann,
        contact={"phone": PHONE},
        display_name=" ",
    )


def test_only_the_desk_may(db: Connection, world: World) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.bob])
    refuse(
        db,
        "permission_denied",
        "open_thread_atomic",
        actor_id=world.ann,
        contact={"phone": PHONE},
    )
