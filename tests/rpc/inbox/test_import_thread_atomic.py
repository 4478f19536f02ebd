"""api.import_thread_atomic."""

import uuid
from typing import Any

import pytest

from tests.rpc.behind import events, rows, set_limit, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_tenant, refuse, succeed

LEAD = {"kind": "lead", "value": "L1"}
PHONE = {"kind": "phone", "value": "+972501234567"}
NUMBER = "972501234567"
ADDRESS = "106540352242922"


@pytest.fixture
def channel_id(db: Connection, world: World) -> str:
    """Make the channel the older inbox used."""
    result = succeed(
        db,
        "upsert_channel_atomic",
        provider="whatsapp",
        address=ADDRESS,
        display_name="The shop",
        tenant_id=world.tenant_id,
    )
    found: str = result["channel"]["channel_id"]
    return found


def said(content: str | None, minute: int, **more: Any) -> Json:
    """Write a message of the contact's, so many minutes past ten."""
    return {
        "provider_message_id": f"wamid.{content}",
        "source": "contact",
        "type": "text",
        "content": content,
        "metadata": {},
        "created_at": at(minute),
    } | more


def answered(content: str | None, minute: int, **more: Any) -> Json:
    """Write a message of the business'."""
    return said(content, minute, **{"source": "bot", "status": "read"} | more)


def at(minute: int) -> str:
    return f"2024-05-01T10:{minute:02}:00+00:00"


def thread_of(channel_id: str, *messages: Json, **more: Any) -> Json:
    return {
        "channel_id": channel_id,
        "identities": [LEAD, PHONE],
        "display_name": "Dana",
        "started_at": at(0),
        "messages": list(messages),
    } | more


def imported(db: Connection, world: World, channel_id: str, *messages: Json, **more: Any) -> Json:
    """Import a thread."""
    thread = thread_of(channel_id, *messages, **more)
    return succeed(db, "import_thread_atomic", tenant_id=world.tenant_id, thread=thread)


def received(db: Connection, content: str, minute: int, **more: Any) -> Json:
    """Let the same contact write now."""
    return succeed(
        db,
        "receive_message_atomic",
        **{
            "provider": "whatsapp",
            "address": ADDRESS,
            "provider_message_id": f"wamid.{content}",
            "contact": {"wa_id": NUMBER, "phone": PHONE["value"]},
            "content": content,
            "type": "text",
            "sent_at": at(minute),
        }
        | more,
    )


def log(db: Connection, conversation_id: str) -> list[tuple[Any, ...]]:
    """Return what a log says, in order."""
    return rows(
        db,
        "select coalesce(m.content, ''), m.source from chat.messages m"
        " where m.conversation_id = %s and m.source <> 'system' order by m.seq",
        conversation_id,
    )


def unread(db: Connection, conversation_id: str) -> int:
    found: int = value(
        db,
        "select u from chat.conversations c join chat.threads t using (conversation_id)"
        " cross join chat.thread_unread(c, t) u where c.conversation_id = %s",
        conversation_id,
    )
    return found


def thread_row(db: Connection, conversation_id: str, column: str) -> Any:
    return value(
        db, f"select t.{column} from chat.threads t where t.conversation_id = %s", conversation_id
    )


def test_a_thread_is_taken_over_whole(db: Connection, world: World, channel_id: str) -> None:
    result = imported(
        db,
        world,
        channel_id,
        said("hello", 1),
        answered("hi", 2, source="automation", status="delivered"),
        said("how much?", 3),
        unread_from=at(3),
        last_read_at=at(2),
    )
    conversation_id = result["conversation_id"]
    assert result == {
        "success": True,
        "conversation_id": conversation_id,
        "contact_id": result["contact_id"],
        "created": True,
        "imported": 3,
        "existing": 0,
    }
    assert log(db, conversation_id) == [
        ("hello", "contact"),
        ("hi", "automation"),
        ("how much?", "contact"),
    ]
    assert unread(db, conversation_id) == 1
    (found,) = rows(
        db,
        "select c.canonical_key, c.created_at, c.last_message_at, c.closed_at, t.last_inbound_at,"
        "       t.last_inbound_seq, t.last_activity_at, t.last_read_at, u.display_name, u.kind"
        "  from chat.conversations c join chat.threads t using (conversation_id)"
        "  join chat.users u on u.user_id = t.contact_id where c.conversation_id = %s",
        conversation_id,
    )
    key, created, last_message, closed, inbound, inbound_seq, activity, read, name, kind = found
    assert key == f"lead:{world.tenant_id}:L1"
    times = [created, last_message, inbound, activity, read]
    assert [time.minute for time in times] == [0, 3, 3, 3, 2]
    assert (closed, inbound_seq, name, kind) == (None, 3, "Dana", "contact")


def test_original_times_types_and_metadata_are_kept(
    db: Connection, world: World, channel_id: str
) -> None:
    picture = said(None, 5, type="image", provider_message_id="p", metadata={"image": {"id": "1"}})
    result = imported(db, world, channel_id, picture)
    found = rows(
        db,
        "select m.type, m.content, m.metadata, m.created_at::text from chat.messages m"
        " where m.conversation_id = %s",
        result["conversation_id"],
    )
    assert found == [("image", None, {"image": {"id": "1"}}, "2024-05-01 10:05:00+00")]


@pytest.mark.parametrize("status", ["sent", "failed", "delivered", "read", "played"])
def test_what_went_out_has_a_settled_delivery(
    db: Connection, world: World, channel_id: str, status: str
) -> None:
    error = {"code": "131026"} if status == "failed" else None
    message = answered("hi", 1, status=status, error=error)
    conversation_id = imported(db, world, channel_id, message)["conversation_id"]
    found = rows(
        db,
        "select d.status, d.sent_at is null, d.failed_at is null, d.error from chat.deliveries d"
        " where d.conversation_id = %s",
        conversation_id,
    )
    assert found == [(status, status == "failed", status != "failed", error)]


def test_a_second_time_changes_nothing(db: Connection, world: World, channel_id: str) -> None:
    messages = [said("hello", 1), answered("hi", 2), answered("hi", 3, provider_message_id=None)]
    first = imported(db, world, channel_id, *messages)
    before = rows(db, "select m.* from chat.messages m order by m.conversation_id, m.seq")
    told = events(db, first["conversation_id"])
    again = imported(db, world, channel_id, *messages)
    assert again["duplicate"] is True
    assert (again["imported"], again["existing"], again["created"]) == (0, 3, False)
    assert again["conversation_id"] == first["conversation_id"]
    assert rows(db, "select m.* from chat.messages m order by m.conversation_id, m.seq") == before
    assert events(db, first["conversation_id"]) == told


def test_messages_without_an_id_are_known_by_what_they_say(
    db: Connection, world: World, channel_id: str
) -> None:
    nameless: Json = {"provider_message_id": None}
    result = imported(
        db,
        world,
        channel_id,
        answered("hi", 1, **nameless),
        answered("hi", 1, **nameless),
        answered("hi", 2, **nameless),
        answered("hi", 1, source="person", **nameless),
        answered(None, 1, type="image", metadata={"image": {"id": "1"}}, **nameless),
        answered(None, 1, type="image", metadata={"image": {"id": "2"}}, **nameless),
    )
    assert (result["imported"], result["existing"]) == (5, 1)


def test_what_nobody_read_stays_unread_and_the_rest_is_read(
    db: Connection, world: World, channel_id: str
) -> None:
    messages = [said(f"{minute}", minute) for minute in range(5)]
    read = imported(db, world, channel_id, *messages)
    assert unread(db, read["conversation_id"]) == 0
    other = {"kind": "lead", "value": "L2"}
    more = [said(f"more {minute}", minute) for minute in range(5)]
    partly = imported(db, world, channel_id, *more, identities=[other], unread_from=at(2))
    assert unread(db, partly["conversation_id"]) == 3


def test_a_deleted_message_is_kept_as_deleted(
    db: Connection, world: World, channel_id: str
) -> None:
    result = imported(
        db,
        world,
        channel_id,
        said("one", 1),
        said("two", 2, is_deleted=True),
        said("three", 3),
        unread_from=at(1),
    )
    conversation_id = result["conversation_id"]
    assert [content for content, _ in log(db, conversation_id)] == ["one", "", "three"]
    assert unread(db, conversation_id) == 2
    assert received(db, "two", 2)["duplicate"] is True


def test_a_closed_thread_arrives_closed(db: Connection, world: World, channel_id: str) -> None:
    result = imported(db, world, channel_id, said("bye", 9), is_closed=True)
    closed_at = value(
        db,
        "select c.closed_at from chat.conversations c where c.conversation_id = %s",
        result["conversation_id"],
    )
    assert closed_at.minute == 9


def test_history_goes_before_what_came_meanwhile(
    db: Connection, world: World, channel_id: str
) -> None:
    live = received(db, "now", 30)
    result = imported(db, world, channel_id, said("hello", 1), answered("hi", 2))
    conversation_id = result["conversation_id"]
    assert conversation_id == live["conversation_id"]
    assert (result["created"], result["imported"]) == (False, 2)
    assert [content for content, _ in log(db, conversation_id)] == ["hello", "hi", "now"]
    assert unread(db, conversation_id) == 1
    key = value(
        db,
        "select c.canonical_key from chat.conversations c where c.conversation_id = %s",
        conversation_id,
    )
    assert key == f"lead:{world.tenant_id}:L1"
    last_seq = value(
        db,
        "select c.last_seq from chat.conversations c where c.conversation_id = %s",
        conversation_id,
    )
    assert events(db, conversation_id)[-1] == {
        "type": "reset",
        "conversation_id": conversation_id,
        "last_seq": last_seq,
    }


def test_what_came_meanwhile_and_is_in_the_history_too_is_there_once(
    db: Connection, world: World, channel_id: str
) -> None:
    received(db, "now", 30)
    result = imported(db, world, channel_id, said("hello", 1), said("now", 30))
    assert (result["imported"], result["existing"]) == (1, 1)
    assert [content for content, _ in log(db, result["conversation_id"])] == ["hello", "now"]


def test_unread_history_counts_with_what_came_meanwhile(
    db: Connection, world: World, channel_id: str
) -> None:
    received(db, "now", 30)
    result = imported(
        db, world, channel_id, said("one", 1), said("two", 2), said("three", 3), unread_from=at(2)
    )
    assert unread(db, result["conversation_id"]) == 3


def test_a_row_that_was_mended_finds_its_place(
    db: Connection, world: World, channel_id: str
) -> None:
    first, second, third = said("one", 1), said("two", 2), said("three", 3)
    imported(db, world, channel_id, first, third)
    result = imported(db, world, channel_id, first, second, third)
    assert (result["imported"], result["existing"]) == (1, 2)
    contents = [content for content, _ in log(db, result["conversation_id"])]
    assert contents == ["one", "two", "three"]


def test_a_contact_known_by_lead_and_one_known_by_number_become_one(
    db: Connection, world: World, channel_id: str
) -> None:
    by_lead = imported(db, world, channel_id, said("one", 1), identities=[LEAD])
    by_number = received(db, "three", 3)
    assert by_lead["conversation_id"] != by_number["conversation_id"]
    result = imported(db, world, channel_id, said("two", 2))
    assert result["conversation_id"] == by_lead["conversation_id"]
    contents = [content for content, _ in log(db, result["conversation_id"])]
    assert contents == ["one", "two", "three"]


def test_a_number_of_another_lead_stays_theirs(
    db: Connection, world: World, channel_id: str
) -> None:
    theirs = imported(db, world, channel_id, said("one", 1))
    other = [{"kind": "lead", "value": "L2"}, PHONE]
    ours = imported(db, world, channel_id, said("two", 2), identities=other)
    assert ours["contact_id"] != theirs["contact_id"]
    owner = value(
        db,
        "select i.contact_id::text from chat.contact_identities i"
        " where i.tenant_id = %s and i.kind = 'phone' and i.value = %s",
        world.tenant_id,
        PHONE["value"],
    )
    assert owner == theirs["contact_id"]


def test_a_status_that_came_before_is_applied(
    db: Connection, world: World, channel_id: str
) -> None:
    status = succeed(
        db,
        "record_delivery_status_atomic",
        provider="whatsapp",
        address=ADDRESS,
        provider_message_id="wamid.hi",
        status="read",
        occurred_at=at(20),
    )
    assert status["parked"] is True
    result = imported(db, world, channel_id, answered("hi", 1, status="sent"))
    found = value(
        db,
        "select d.status from chat.deliveries d where d.conversation_id = %s",
        result["conversation_id"],
    )
    assert found == "read"
    assert rows(db, "select from chat.parked_events") == []


def test_a_thread_without_messages_is_a_contact(
    db: Connection, world: World, channel_id: str
) -> None:
    result = imported(db, world, channel_id)
    assert (result["created"], result["imported"]) == (True, 0)
    assert thread_row(db, result["conversation_id"], "last_activity_at").minute == 0


def test_metadata_that_is_too_large_is_cut(db: Connection, world: World, channel_id: str) -> None:
    result = imported(db, world, channel_id, said("hello", 1, metadata={"big": "x" * 9000}))
    found = value(
        db,
        "select m.metadata from chat.messages m where m.conversation_id = %s",
        result["conversation_id"],
    )
    assert found == {"big": {"truncated": True}}


def test_every_wrong_message_is_named_and_nothing_is_imported(
    db: Connection, world: World, channel_id: str
) -> None:
    set_limit(db, "content_characters", 10)
    thread = thread_of(
        channel_id,
        said("fine", 1),
        said("much too long", 2),
        said("fine too", 3, source="customer"),
        answered("hi", 4, status="queued"),
        said("hey", 5, type="Text"),
        said(None, 6, provider_message_id=None),
        said("x", 7, created_at=None),
        said("y", 8, metadata=[]),
        said("z", 9, provider_message_id=""),
        answered("e", 9, error="no"),
    )
    thread["messages"].append("no object")
    refusal = refuse(
        db, "validation_error", "import_thread_atomic", tenant_id=world.tenant_id, thread=thread
    )
    assert refusal["details"]["field"] == "thread"
    assert [one["item"] for one in refusal["details"]["items"]] == list(range(1, 11))
    assert rows(db, "select from chat.threads t where t.channel_id = %s", channel_id) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"identities": []},
        {"identities": None},
        {"identities": [{"kind": "mail", "value": "a@example.com"}]},
        {"identities": [{"kind": "phone", "value": "0501234567"}]},
        {"identities": [{"kind": "lead"}]},
        {"messages": None},
    ],
)
def test_a_thread_of_another_form_is_refused(
    db: Connection, world: World, channel_id: str, wrong: Json
) -> None:
    thread = thread_of(channel_id) | wrong
    refuse(db, "validation_error", "import_thread_atomic", tenant_id=world.tenant_id, thread=thread)


def test_a_channel_of_another_tenant_is_none(db: Connection, world: World, channel_id: str) -> None:
    for tenant_id, channel in (
        (new_tenant(db), channel_id),
        (world.tenant_id, str(uuid.uuid4())),
    ):
        thread = thread_of(channel)
        refuse(db, "not_found", "import_thread_atomic", tenant_id=tenant_id, thread=thread)
