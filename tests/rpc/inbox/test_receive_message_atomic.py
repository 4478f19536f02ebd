from typing import Any

import pytest

from tests.rpc.behind import events, response_status, rows, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_channel, receive, refuse, succeed

EVE = {"phone": "+491709999999", "wa_id": "491709999999", "bsuid": "DE.9"}


def unread(db: Connection, conversation_id: str) -> int:
    count: int = value(
        db,
        "select chat.thread_unread(c, t) from chat.threads t"
        " join chat.conversations c using (conversation_id) where conversation_id = %s",
        conversation_id,
    )
    return count


def key(db: Connection, conversation_id: str) -> str:
    found: str = value(
        db,
        "select canonical_key from chat.conversations where conversation_id = %s",
        conversation_id,
    )
    return found


def test_an_unknown_contact_gets_a_conversation_with_the_message(
    db: Connection, world: World
) -> None:
    result = receive(
        db, world.channel, "hello", EVE, display_name="Eve", metadata={"text": {}}, type="text"
    )
    assert response_status(db) == "201"
    assert result["contact"]["display_name"] == "Eve"
    assert result["contact"]["identities"] == [
        {"kind": "bsuid", "value": "DE.9"},
        {"kind": "phone", "value": "+491709999999"},
        {"kind": "wa_id", "value": "491709999999"},
    ]
    message = result["message"]
    assert (message["seq"], message["source"], message["type"]) == (1, "contact", "text")
    assert (message["content"], message["metadata"]) == ("hello", {"text": {}})
    assert (message["sender_id"], message["sender_name"]) == (result["contact"]["id"], "Eve")
    assert key(db, result["conversation_id"]) == f"phone:{world.tenant_id}:+491709999999"
    assert unread(db, result["conversation_id"]) == 1
    assert [event["type"] for event in events(db, result["conversation_id"])] == [
        "conversation_created",
        "message_created",
    ]
    desks = rows(
        db,
        "select distinct desk_id::text from chat.outbox where conversation_id = %s",
        result["conversation_id"],
    )
    assert desks == [(world.tenant_id,)]


def test_again_it_is_a_duplicate_and_the_first_message(db: Connection, world: World) -> None:
    first = receive(db, world.channel, "hello", EVE, provider_message_id="wamid.1")
    again = receive(db, world.channel, "hello", EVE, provider_message_id="wamid.1")
    assert again == {**first, "duplicate": True}
    assert response_status(db) == "200"
    assert unread(db, first["conversation_id"]) == 1


def test_the_same_id_on_another_channel_is_another_message(db: Connection, world: World) -> None:
    other = new_channel(db, world.tenant_id, address="1002")
    first = receive(db, world.channel, "hello", EVE, provider_message_id="wamid.1")
    second = receive(db, other, "hello", EVE, provider_message_id="wamid.1")
    assert "duplicate" not in second
    assert second["conversation_id"] == first["conversation_id"]
    assert second["message"]["seq"] == 2


@pytest.mark.parametrize("kind", EVE)
def test_a_contact_is_found_by_any_identity_and_learns_the_others(
    db: Connection, world: World, kind: str
) -> None:
    first = receive(db, world.channel, "hello", {kind: EVE[kind]})
    second = receive(db, world.channel, "hello", EVE)
    assert second["conversation_id"] == first["conversation_id"]
    assert len(second["contact"]["identities"]) == 3
    assert key(db, first["conversation_id"]) == f"phone:{world.tenant_id}:+491709999999"
    for other, known in EVE.items():
        third = receive(db, world.channel, "hello", {other: known})
        assert third["conversation_id"] == first["conversation_id"]


def test_a_contact_needs_no_phone(db: Connection, world: World) -> None:
    found = receive(db, world.channel, "hello", {"bsuid": "DE.9"}, display_name=None)
    assert key(db, found["conversation_id"]) == f"bsuid:{world.tenant_id}:DE.9"
    assert found["contact"]["display_name"] == "DE.9"
    found = receive(db, world.channel, "hello", {"wa_id": "000"}, display_name=" ")
    assert key(db, found["conversation_id"]) == f"wa_id:{world.tenant_id}:000"
    found = receive(db, world.channel, "hello", {"parent_bsuid": "DE.ENT.9"})
    assert key(db, found["conversation_id"]).startswith(f"contact:{world.tenant_id}:")


def test_seen_from_two_sides_a_contact_becomes_one_at_the_first_message_that_tells_both(
    db: Connection, world: World
) -> None:
    by_phone = receive(db, world.channel, "one", {"phone": EVE["phone"]})
    by_id = receive(db, world.channel, "two", {"bsuid": EVE["bsuid"]})
    assert by_phone["conversation_id"] != by_id["conversation_id"]
    both = receive(db, world.channel, "three", EVE)
    assert both["conversation_id"] == by_phone["conversation_id"]
    said = rows(
        db,
        "select content from chat.messages where conversation_id = %s and source = 'contact'"
        " order by seq",
        both["conversation_id"],
    )
    assert said == [("one",), ("two",), ("three",)]
    assert unread(db, both["conversation_id"]) == 3


def test_an_id_of_their_own_makes_two_people_of_who_share_a_number(
    db: Connection, world: World
) -> None:
    """The number changed hands: it goes over to whose id it comes with."""
    before = receive(db, world.channel, "one", {"bsuid": "DE.1", "phone": EVE["phone"]})
    other = receive(db, world.channel, "two", {"bsuid": "DE.2", "phone": "+491700000002"})
    after = receive(db, world.channel, "three", {"bsuid": "DE.2", "phone": EVE["phone"]})
    assert after["conversation_id"] == other["conversation_id"] != before["conversation_id"]
    assert key(db, before["conversation_id"]) == f"bsuid:{world.tenant_id}:DE.1"
    assert key(db, after["conversation_id"]) == f"phone:{world.tenant_id}:{EVE['phone']}"


def test_who_answers_in_a_conversation_is_its_contact(db: Connection, world: World) -> None:
    first = receive(
        db, world.channel, "one", {"phone": EVE["phone"]}, provider_message_id="wamid.1"
    )
    reply = receive(db, world.channel, "two", {"bsuid": "DE.9"}, reply_to="wamid.1")
    assert reply["conversation_id"] == first["conversation_id"]
    assert reply["message"]["reply_to_id"] == first["message"]["id"]


def test_tenants_do_not_share_contacts(db: Connection, world: World) -> None:
    theirs = new_channel(db, world.other_tenant_id, address="2001")
    ours = receive(db, world.channel, "hello", EVE)
    assert receive(db, theirs, "hello", EVE)["contact"]["id"] != ours["contact"]["id"]


def test_a_contact_is_called_what_they_last_called_themselves(db: Connection, world: World) -> None:
    receive(db, world.channel, "hello", EVE, display_name="Eve")
    renamed = receive(db, world.channel, "hello", EVE, display_name="Eva " + "n" * 300)
    assert renamed["contact"]["display_name"] == "Eva " + "n" * 196
    assert (
        receive(db, world.channel, "hello", EVE, display_name=None)["contact"]
        == (renamed["contact"])
    )


def test_a_message_reopens_a_closed_conversation(db: Connection, world: World) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.thread, actor_id=world.ann)
    result = receive(db, world.channel, "still open?")
    assert result["conversation_id"] == world.thread
    told = [event["type"] for event in events(db, world.thread)]
    assert told[-3:] == ["conversation_closed", "conversation_reopened", "message_created"]
    assert (
        value(
            db, "select closed_at from chat.conversations where conversation_id = %s", world.thread
        )
        is None
    )


def test_the_thread_remembers_where_and_when_the_contact_wrote(
    db: Connection, world: World
) -> None:
    other = new_channel(db, world.tenant_id, address="1002")
    receive(db, other, "later", sent_at="2999-01-01T00:00:00Z")
    receive(db, other, "earlier", sent_at="2020-01-01T00:00:00Z")
    found = rows(
        db,
        "select channel_id::text, last_inbound_at::text, last_inbound_seq from chat.threads"
        " where conversation_id = %s",
        world.thread,
    )
    assert found == [(other["channel_id"], "2999-01-01 00:00:00+00", 4)]


def test_only_the_contacts_messages_count_as_unread(db: Connection, world: World) -> None:
    receive(db, world.channel, "anybody?")
    assert unread(db, world.thread) == 2
    count, sent = rows(
        db,
        "select c.message_count, max(m.sent_count) from chat.conversations c"
        " join chat.members m using (conversation_id) where conversation_id = %s group by 1",
        world.thread,
    )[0]
    assert (count, sent) == (2, 0)


def test_what_is_too_long_is_cut_and_not_lost(db: Connection, world: World) -> None:
    result = receive(
        db,
        world.channel,
        "c" * 20_000,
        metadata={"order": {"items": ["i" * 9000]}, "context": {"forwarded": True}},
        type="order",
    )
    assert result["message"]["content"] == "c" * 16_000
    assert result["message"]["metadata"] == {
        "order": {"truncated": True},
        "context": {"forwarded": True},
    }


def test_an_unknown_channel_belongs_to_the_default_tenant(db: Connection) -> None:
    result = receive(db, {"provider": "whatsapp", "address": "9999"}, "hello", EVE)
    tenant = "select tenant_id::text from chat.conversations where conversation_id = %s"
    assert value(db, tenant, result["conversation_id"]) == "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("provider", None),
        ("provider", "Whats App"),
        ("address", None),
        ("provider_message_id", None),
        ("provider_message_id", ""),
        ("contact", None),
        ("contact", {}),
        ("contact", {"phone": "0170 1234567"}),
        ("contact", {"lead": "7"}),
        ("contact", {"bsuid": ""}),
        ("type", "system"),
        ("type", "A Type"),
    ],
)
def test_what_is_no_message_is_refused(db: Connection, field: str, wrong: Any) -> None:
    given: Json = {
        "provider": "whatsapp",
        "address": "1001",
        "provider_message_id": "wamid.1",
        "contact": EVE,
        "content": "hello",
    }
    refuse(db, "validation_error", "receive_message_atomic", **{**given, field: wrong})
