"""api.link_contact_atomic."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.behind import acting_as, events, rows, set_limit, value
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import (
    Connection,
    Json,
    new_channel,
    new_user,
    receive,
    refuse,
    send,
    succeed,
)

OTHER = "+4915112345678"


def link(db: Connection, world: World, contact: str, kind: str, value: str) -> Json:
    """Ann says that this identity is that contact's."""
    return succeed(
        db,
        "link_contact_atomic",
        actor_id=world.ann,
        contact_id=contact,
        kind=kind,
        value=value,
    )


def log(db: Connection, world: World, thread: str) -> list[Any]:
    """What was said in a thread, system messages in brackets."""
    page = succeed(db, "list_thread_messages", thread=thread, actor_id=world.ann, limit=100)
    return [
        f"[{one['metadata']['event']}]" if one["type"] == "system" else one["content"]
        for one in page["messages"]
    ]


def thread_of(db: Connection, world: World, thread: str) -> Json:
    found: Json = succeed(db, "get_thread", thread=thread, actor_id=world.ann)["thread"]
    return found


# A lead, and other identities nobody has.


def test_a_lead_becomes_the_key_and_the_id_stays(db: Connection, world: World) -> None:
    result = link(db, world, world.contact, "lead", "L-1")
    assert (result["conversation_id"], result["merged"]) == (world.thread, False)
    assert result["contact"]["identities"] == [
        {"kind": "lead", "value": "L-1"},
        {"kind": "phone", "value": "+491701234567"},
    ]
    thread = thread_of(db, world, world.thread)
    assert thread["canonical_key"] == f"lead:{world.tenant_id}:L-1"
    assert receive(db, world.channel, "me again")["conversation_id"] == world.thread


def test_the_first_lead_remains_the_key(db: Connection, world: World) -> None:
    link(db, world, world.contact, "lead", "L-9")
    link(db, world, world.contact, "lead", "L-1")
    thread = thread_of(db, world, world.thread)
    assert thread["canonical_key"] == f"lead:{world.tenant_id}:L-9"


def test_the_desk_is_told_and_the_log_knows_who_did_it(db: Connection, world: World) -> None:
    link(db, world, world.contact, "lead", "L-1")
    told = events(db, world.thread)[-1]
    assert (told["type"], told["seq"], told["actor_id"]) == ("conversation_updated", 3, world.ann)
    assert told["conversation"]["canonical_key"] == f"lead:{world.tenant_id}:L-1"


def test_the_same_again_changes_nothing(db: Connection, world: World) -> None:
    link(db, world, world.contact, "lead", "L-1")
    again = link(db, world, world.contact, "lead", "L-1")
    assert (again["duplicate"], again["merged"]) == (True, False)
    assert thread_of(db, world, world.thread)["last_seq"] == 3


def test_a_number_that_was_given_up_may_be_somebody_elses(db: Connection, world: World) -> None:
    rows(
        db,
        "update chat.contact_identities set retired_at = now() - interval '1 minute'"
        " where value = '+491701234567'",
    )
    rows(
        db,
        "update chat.conversations set canonical_key = 'contact:' || tenant_id || ':' || %s"
        " where conversation_id = %s",
        world.contact,
        world.thread,
    )
    other = receive(db, world.channel, contact={"bsuid": "DE.2"})
    result = link(db, world, other["contact"]["id"], "phone", "+491701234567")
    assert (result["merged"], result["conversation_id"]) == (False, other["conversation_id"])
    assert thread_of(db, world, "+491701234567")["conversation_id"] == other["conversation_id"]


def test_a_contact_without_a_thread_can_be_linked(db: Connection, world: World) -> None:
    contact = new_user(db, "Cleo", kind="contact", tenant_id=world.tenant_id)
    result = link(db, world, contact, "phone", OTHER)
    assert (result["conversation_id"], result["merged"]) == (None, False)
    received = receive(db, world.channel, contact=OTHER)
    assert received["contact"]["id"] == contact


# Two contacts that are one.


@pytest.fixture
def two(db: Connection, world: World) -> Json:
    """Another contact, whom Bob has answered; Con has two messages unread, the other one."""
    other = receive(db, world.channel, "hi, new number", contact=OTHER, display_name="Con 2")
    send(db, other["conversation_id"], world.bob, "hello")
    succeed(
        db, "mark_thread_read_atomic", thread=other["conversation_id"], actor_id=world.bob, seq=2
    )
    receive(db, world.channel, "are you there?")
    receive(db, world.channel, "hello?", contact=OTHER)
    return other


def test_both_histories_are_one_log_in_time_order(db: Connection, world: World, two: Json) -> None:
    result = link(db, world, two["contact"]["id"], "phone", "+491701234567")
    assert (result["merged"], result["conversation_id"]) == (True, world.thread)
    assert result["contact"]["id"] == world.contact
    assert {one["value"] for one in result["contact"]["identities"]} == {"+491701234567", OTHER}
    assert log(db, world, world.thread) == [
        "20 % off",
        "are you open?",
        "hi, new number",
        "hello",
        "are you there?",
        "hello?",
        "[contacts_merged]",
    ]
    messages = succeed(db, "list_messages", conversation_id=world.thread, actor_id=world.ann)
    assert {one["conversation_id"] for one in messages["messages"]} == {world.thread}
    assert {one["sender_id"] for one in messages["messages"]} == {
        world.contact,
        world.ann,
        world.bob,
        None,
    }


def test_the_older_contact_survives_whichever_is_named(
    db: Connection, world: World, two: Json
) -> None:
    rows(
        db,
        "update chat.users set created_at = created_at - interval '1 day' where user_id = %s",
        two["contact"]["id"],
    )
    result = link(db, world, world.contact, "phone", OTHER)
    assert result["contact"]["id"] == two["contact"]["id"]
    assert result["conversation_id"] == two["conversation_id"]


def test_what_was_unread_in_either_is_unread(db: Connection, world: World, two: Json) -> None:
    assert thread_of(db, world, two["conversation_id"])["unread_count"] == 1
    assert thread_of(db, world, world.thread)["unread_count"] == 2
    link(db, world, world.contact, "phone", OTHER)
    # "are you open?" was not read; what follows it counts as unread, too.
    assert thread_of(db, world, world.thread)["unread_count"] == 4
    marked = succeed(db, "mark_thread_read_atomic", thread=OTHER, actor_id=world.ann)
    assert (marked["unread_count"], marked["conversation_id"]) == (0, world.thread)


def test_what_was_read_in_both_is_read(db: Connection, world: World, two: Json) -> None:
    for thread in (world.thread, two["conversation_id"]):
        succeed(db, "mark_thread_read_atomic", thread=thread, actor_id=world.ann)
    link(db, world, world.contact, "phone", OTHER)
    assert thread_of(db, world, world.thread)["unread_count"] == 0


def test_old_ids_lead_to_the_survivor(db: Connection, world: World, two: Json) -> None:
    old, old_contact = two["conversation_id"], two["contact"]["id"]
    answer = log(db, world, old)
    link(db, world, world.contact, "phone", OTHER)
    assert answer[0] in log(db, world, old)
    by_old = {"conversation_id": old, "actor_id": world.bob}
    for function in ("list_messages", "list_changes", "get_conversation"):
        by_new = {**by_old, "conversation_id": world.thread}
        assert succeed(db, function, **by_old) == succeed(db, function, **by_new)
    sent = send(db, old, world.dee, "still here")
    assert sent["conversation_id"] == world.thread
    status = succeed(db, "get_message_status", **by_old, message_id=sent["id"])
    assert status["members"][0]["user_id"] == world.contact
    succeed(db, "mark_read_atomic", **by_old)
    succeed(db, "announce_typing", **by_old)
    closed = succeed(db, "close_conversation_atomic", **by_old)
    assert closed["conversation"]["conversation_id"] == world.thread
    succeed(db, "reopen_conversation_atomic", **by_old)
    succeed(db, "update_conversation_atomic", **by_old, title="One")
    assigned = succeed(db, "assign_thread_atomic", **by_old, assignee_id=world.bob)
    assert assigned["conversation_id"] == world.thread
    linked = link(db, world, old_contact, "lead", "L-1")
    assert linked["contact"]["id"] == world.contact
    assert receive(db, world.channel, "from here", contact=OTHER)["conversation_id"] == world.thread
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[])
    refuse(db, "not_a_member", "list_messages", **by_old)


def test_cursors_of_either_log_are_told_to_begin_anew(
    db: Connection, world: World, two: Json
) -> None:
    link(db, world, world.contact, "phone", OTHER)
    for thread in (world.thread, two["conversation_id"]):
        for cursor in range(1, 5):
            result = succeed(
                db, "list_changes", conversation_id=thread, actor_id=world.ann, after_seq=cursor
            )
            assert (result["reset"], result["changes"]) == (True, [])
        result = succeed(db, "list_changes", conversation_id=thread, actor_id=world.ann)
        assert len(result["changes"]) == 7


def test_an_old_number_reads_nothing(db: Connection, world: World, two: Json) -> None:
    link(db, world, world.contact, "phone", OTHER)
    before = thread_of(db, world, world.thread)["unread_count"]
    by_old = {"thread": two["conversation_id"], "actor_id": world.ann}
    assert succeed(db, "mark_thread_read_atomic", **by_old, seq=3)["unread_count"] == before


def test_whoever_shows_either_is_told(db: Connection, world: World, two: Json) -> None:
    link(db, world, world.contact, "phone", OTHER)
    last_seq = thread_of(db, world, world.thread)["last_seq"]
    gone = events(db, two["conversation_id"])[-1]
    assert gone == {
        "type": "reset",
        "conversation_id": two["conversation_id"],
        "last_seq": last_seq - 1,
        "merged_into": world.thread,
    }
    reset, told = events(db, world.thread)[-2:]
    assert reset == {
        "type": "reset",
        "conversation_id": world.thread,
        "last_seq": last_seq - 1,
    }
    assert (told["type"], told["seq"]) == ("message_created", last_seq)
    assert told["message"]["metadata"]["merged_conversation_id"] == two["conversation_id"]
    desks = rows(
        db,
        "select distinct o.desk_id::text from chat.outbox o where o.conversation_id in (%s, %s)"
        " and o.event::jsonb ->> 'type' = 'reset'",
        world.thread,
        two["conversation_id"],
    )
    assert desks == [(world.tenant_id,)]


def test_what_hangs_on_messages_goes_along(db: Connection, world: World, two: Json) -> None:
    old = two["conversation_id"]
    reply = send(db, old, world.ann, "about this", reply_to_id=two["message"]["id"])
    target = rows(
        db,
        "select provider_message_id from chat.provider_messages where message_id = %s",
        two["message"]["id"],
    )[0][0]
    address = world.channel["address"]
    reaction = {
        "kind": "reaction",
        "address": address,
        "id": "wamid.r",
        "at": "2027-01-01T00:00:00Z",
        "contact": {"phone": OTHER},
        "target": target,
        "emoji": "\N{THUMBS UP SIGN}",
        "by": "contact",
    }
    edit = reaction | {
        "kind": "edit",
        "id": "wamid.e",
        "type": "text",
        "content": "hi, my new number",
        "metadata": {},
    }
    _webhook(db, reaction, edit)
    link(db, world, world.contact, "phone", OTHER)
    messages = {
        one["id"]: one
        for one in succeed(db, "list_thread_messages", thread=old, actor_id=world.ann)["messages"]
    }
    assert messages[reply["id"]]["reply_to_id"] == two["message"]["id"]
    assert messages[reply["id"]]["delivery"]["status"] == "queued"
    merged = messages[two["message"]["id"]]
    assert merged["content"] == "hi, my new number"
    assert merged["reactions"] == [
        {"emoji": "\N{THUMBS UP SIGN}", "count": 1, "user_ids": [world.contact]}
    ]
    changes = succeed(db, "list_changes", conversation_id=old, actor_id=world.ann)["changes"]
    assert {"reaction_added", "message_edited"} <= {one["type"] for one in changes}
    assert {one.get("actor_id") for one in changes} == {None, world.contact}
    _webhook(db, reaction | {"id": "wamid.r2", "emoji": None, "at": "2027-01-02T00:00:00Z"})
    assert log(db, world, old)[2] == "hi, my new number"
    assert _reactions(db, two["message"]["id"]) == 0


def _webhook(db: Connection, *found: Json) -> None:
    succeed(
        db,
        "receive_webhooks_atomic",
        webhooks=Jsonb([{"provider": "whatsapp", "payload": str(found), "events": list(found)}]),
    )


def _reactions(db: Connection, message_id: str) -> int:
    count: int = value(db, "select count(*) from chat.reactions where message_id = %s", message_id)
    return count


def test_a_key_used_in_both_threads_is_no_obstacle(db: Connection, world: World, two: Json) -> None:
    for thread in (world.thread, two["conversation_id"]):
        send(db, thread, world.ann, "same key", client_message_id="1")
    send(db, two["conversation_id"], world.ann, "other key", client_message_id="2")
    link(db, world, world.contact, "phone", OTHER)
    assert log(db, world, world.thread).count("same key") == 2
    again = succeed(
        db,
        "send_message_atomic",
        conversation_id=two["conversation_id"],
        actor_id=world.ann,
        content="other key",
        client_message_id="2",
    )
    assert again["duplicate"] is True


def test_the_thread_is_where_the_contact_wrote_last_and_whoever_cared_still_does(
    db: Connection, world: World, two: Json
) -> None:
    other = new_channel(db, world.tenant_id, address="2002", display_name="Our other shop")
    receive(db, other, "here now", contact=OTHER)
    succeed(
        db,
        "assign_thread_atomic",
        conversation_id=two["conversation_id"],
        actor_id=world.ann,
        assignee_id=world.dee,
    )
    link(db, world, world.contact, "phone", OTHER)
    thread = thread_of(db, world, world.thread)
    assert thread["channel"]["channel_id"] == other["channel_id"]
    assert thread["assignee_id"] == world.dee


@pytest.mark.parametrize(
    ("closed", "is_closed"),
    [
        (["survivor", "other"], True),
        (["survivor"], False),
        (["other"], False),
        ([], False),
    ],
)
def test_it_is_closed_only_if_both_were(
    db: Connection, world: World, two: Json, closed: list[str], is_closed: bool
) -> None:
    threads = {"survivor": world.thread, "other": two["conversation_id"]}
    for name in closed:
        succeed(db, "close_conversation_atomic", conversation_id=threads[name], actor_id=world.ann)
    link(db, world, world.contact, "phone", OTHER)
    assert (thread_of(db, world, world.thread)["closed_at"] is not None) is is_closed


def test_a_merge_after_a_merge_moves_all_ids_along(db: Connection, world: World, two: Json) -> None:
    link(db, world, world.contact, "phone", OTHER)
    rows(
        db,
        "update chat.users set created_at = created_at + interval '1 day' where user_id = %s",
        world.contact,
    )
    third = receive(db, world.channel, "third", contact={"bsuid": "DE.3"})
    result = link(db, world, two["contact"]["id"], "bsuid", "DE.3")
    assert result["contact"]["id"] == third["contact"]["id"]
    for old in (world.thread, two["conversation_id"]):
        assert thread_of(db, world, old)["conversation_id"] == third["conversation_id"]
    assert log(db, world, world.thread).count("[contacts_merged]") == 2
    assert link(db, world, world.contact, "lead", "L-1")["contact"]["id"] == third["contact"]["id"]


def test_a_contact_without_a_thread_takes_over_the_others(db: Connection, world: World) -> None:
    contact = new_user(db, "Cleo", kind="contact", tenant_id=world.tenant_id, external_id="crm-7")
    rows(
        db,
        "update chat.users set created_at = created_at - interval '1 day' where user_id = %s",
        contact,
    )
    result = link(db, world, contact, "phone", "+491701234567")
    assert (result["merged"], result["contact"]["id"]) == (True, contact)
    assert result["conversation_id"] != world.thread
    assert log(db, world, world.thread) == ["20 % off", "are you open?", "[contacts_merged]"]
    user = succeed(db, "upsert_user_atomic", user_id=world.contact, display_name="Cleo C.")
    assert user["user_id"] == contact


def test_two_contacts_without_threads_are_one(db: Connection, world: World) -> None:
    one, other = (
        new_user(db, name, kind="contact", tenant_id=world.tenant_id, external_id=external)
        for name, external in (("A", None), ("B", "crm-8"))
    )
    link(db, world, other, "lead", "L-8")
    result = link(db, world, one, "lead", "L-8")
    assert (result["merged"], result["conversation_id"]) == (True, None)
    assert succeed(db, "upsert_user_atomic", external_id="crm-8", tenant_id=world.tenant_id)[
        "user_id"
    ] == (one)


# Refusals.


@pytest.mark.parametrize(
    ("kind", "identity", "code", "field"),
    [
        (None, "x", "validation_error", "kind"),
        ("email", "a@example.org", "validation_error", "kind"),
        ("lead", None, "validation_error", "value"),
        ("lead", "", "validation_error", "value"),
        ("lead", " ", "validation_error", "value"),
        ("phone", "0170 1234567", "validation_error", "value"),
        ("phone", "+0170", "validation_error", "value"),
        ("lead", "L" * 201, "too_large", "value"),
    ],
)
def test_an_identity_is_of_a_kind_and_has_a_value(
    db: Connection, world: World, kind: str | None, identity: str | None, code: str, field: str
) -> None:
    result = refuse(
        db,
        code,
        "link_contact_atomic",
        actor_id=world.ann,
        contact_id=world.contact,
        kind=kind,
        value=identity,
    )
    assert result["details"]["field"] == field


def test_a_contact_must_be_named_and_exist(db: Connection, world: World) -> None:
    lead = {"kind": "lead", "value": "L-1"}
    for actor, contact in (
        (world.ann, NOBODY),
        (world.ann, world.bob),
        (world.zoe, world.contact),
    ):
        refuse(db, "not_found", "link_contact_atomic", actor_id=actor, contact_id=contact, **lead)
    result = refuse(db, "validation_error", "link_contact_atomic", actor_id=world.ann, **lead)
    assert result["details"] == {"field": "contact_id"}


def test_only_the_desk_may(db: Connection, world: World) -> None:
    lead = {"contact_id": world.contact, "kind": "lead", "value": "L-1"}
    refuse(db, "permission_denied", "link_contact_atomic", actor_id=world.contact, **lead)
    with acting_as(db, "parley_user", {"sub": world.ann}):
        succeed(db, "link_contact_atomic", **lead)


def test_limits_are_settings(db: Connection, world: World) -> None:
    set_limit(db, "key_characters", 3)
    lead = {"contact_id": world.contact, "kind": "lead", "value": "L-10"}
    refuse(db, "too_large", "link_contact_atomic", actor_id=world.ann, **lead)
