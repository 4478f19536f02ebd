import itertools
import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.behind import events, rows, set_limit, value
from tests.rpc.conftest import World
from tests.rpc.inbox.test_receive_message_atomic import key, unread
from tests.support import Connection, Json, call, refuse, send, succeed

EVE = {"phone": "+491709999999", "wa_id": "491709999999", "bsuid": "DE.9"}
_numbers = itertools.count()


def at(second: int) -> str:
    return f"2026-03-01T12:00:{second:02}Z"


def said(name: str = "wamid.1", content: str | None = "hello", **more: Any) -> Json:
    return {
        "kind": "message",
        "id": name,
        "type": "text",
        "content": content,
        "metadata": {},
        **more,
    }


def webhook(*given: Json, payload: str | None = None) -> Json:
    """Wrap events, by Eve at the first second where they do not say otherwise."""
    return {
        "provider": "whatsapp",
        "payload": payload or f"body {next(_numbers)}",
        "events": [
            {"address": "1001", "contact": EVE, "at": at(0), "by": "contact", **event}
            for event in given
        ],
    }


def tell(db: Connection, *given: Json) -> Json:
    """Send one webhook with these events; its result."""
    result: Json
    (result,) = tell_all(db, webhook(*given))
    return result


def tell_all(db: Connection, *webhooks: Json) -> list[Json]:
    results: list[Json] = succeed(db, "receive_webhooks_atomic", webhooks=Jsonb(list(webhooks)))[
        "results"
    ]
    return results


def thread(db: Connection) -> str:
    """Return Eve's conversation."""
    found: str = value(
        db,
        "select t.conversation_id::text from chat.threads t"
        " join chat.contact_identities i using (contact_id) where i.value = 'DE.9'",
    )
    return found


def log(db: Connection) -> list[tuple[Any, ...]]:
    """Return what is said in Eve's conversation: source, type, content and reactions."""
    return rows(
        db,
        "select m.source, m.type, m.content,"
        "  (select array_agg(r.emoji) from chat.reactions r"
        "    where r.conversation_id = m.conversation_id and r.message_id = m.id)"
        " from chat.messages m where m.conversation_id = %s order by m.seq",
        thread(db),
    )


def changes(db: Connection) -> list[tuple[str, str | None]]:
    """Return what was changed in it: kind and previous content."""
    return rows(
        db,
        "select kind, previous_content from chat.changes where conversation_id = %s order by seq",
        thread(db),
    )


def test_each_webhook_gets_a_result_and_its_payload_is_kept(db: Connection, world: World) -> None:
    results = tell_all(
        db,
        webhook(said("wamid.1"), said("wamid.2"), payload='{"a": 1}'),
        webhook(said("wamid.2"), said("wamid.3"), payload='{"a": 2}'),
        webhook(payload='{"a": 3}'),
    )
    assert results == [
        {"success": True, "events": 2, "duplicates": 0},
        {"success": True, "events": 2, "duplicates": 1},
        {"success": True, "events": 0, "duplicates": 0},
    ]
    assert len(log(db)) == 3
    kept = rows(
        db,
        "select payload, provider, problem from chat.webhooks"
        " where processed_at is not null and payload like '{%%' order by payload",
    )
    assert kept == [(f'{{"a": {number}}}', "whatsapp", None) for number in (1, 2, 3)]


def test_the_same_payload_is_taken_in_once(db: Connection, world: World) -> None:
    duplicate = {"success": True, "duplicate": True, "events": 0, "duplicates": 0}
    first, second = tell_all(db, webhook(said(), payload="{}"), webhook(said(), payload="{}"))
    assert (first["events"], second) == (1, duplicate)
    assert tell_all(db, webhook(said("wamid.2"), payload="{}")) == [duplicate]
    assert len(log(db)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        7,
        "text",
        {"kind": "party"},
        {"at": None},
        {"at": "yesterday"},
        {"at": "2026-02-29T12:00:00Z"},
        {"at": "2026-02-28T12:00:00"},
        {"id": None},
        {"id": 7},
        {"id": "i" * 1001},
        {"type": None},
        {"type": "system"},
        {"metadata": []},
        {"reply_to": "i" * 1001},
        {"contact": None},
        {"contact": {}},
        {"contact": {"phone": 7}},
        {"contact": {"email": "eve@example.com"}},
        {"kind": "edit"},
        {"kind": "revoke", "target": "wamid.1", "by": "somebody"},
        {"kind": "reaction", "target": "wamid.1", "emoji": "x" * 33},
        {"kind": "system", "event": "party", "new": {}},
        {"kind": "system", "event": "contact_number_changed", "new": None},
        {"kind": "status", "target": "wamid.1", "status": "lost"},
        {"kind": "status", "target": "wamid.1", "status": "read", "error": "none"},
        {"kind": "status", "status": "read"},
    ],
    ids=json.dumps,
)
def test_what_is_no_event_is_refused_and_the_others_are_taken_in(
    db: Connection, world: World, wrong: Any
) -> None:
    given = webhook(said("wamid.0"), said("wamid.2"))
    bad = {**webhook(said("wamid.1"))["events"][0], **wrong} if isinstance(wrong, dict) else wrong
    given["events"].insert(1, bad)
    (result,) = tell_all(db, given)
    assert (result["success"], result["events"], result["duplicates"]) == (True, 3, 0)
    assert [refused["error"] for refused in result["refused"]] == ["validation_error"]
    assert len(log(db)) == 2


def test_what_is_no_webhook_is_refused_by_itself(db: Connection, world: World) -> None:
    bad: list[Any] = [7, {}, {"provider": "whatsapp", "payload": "{}"}]
    results = tell_all(db, *bad, webhook(said()))
    assert [result.get("error") for result in results] == [*["validation_error"] * 3, None]
    (result,) = tell_all(db, {**webhook(said("wamid.2")), "provider": "Whats App"})
    assert [refused["error"] for refused in result["refused"]] == ["validation_error"]


def test_a_batch_has_a_limit(db: Connection) -> None:
    for wrong in (None, Jsonb({}), Jsonb("text")):
        refuse(db, "validation_error", "receive_webhooks_atomic", webhooks=wrong)
    set_limit(db, "webhooks_per_batch", 2)
    refuse(
        db, "too_large", "receive_webhooks_atomic", webhooks=Jsonb([webhook() for _ in range(3)])
    )


def test_what_the_business_sent_from_its_phone_is_one_of_its_messages(
    db: Connection, world: World
) -> None:
    tell(db, said("wamid.1", "are you open?"), said("wamid.2", "yes", kind="echo"))
    assert log(db) == [
        ("contact", "text", "are you open?", None),
        ("person", "text", "yes", None),
    ]
    assert unread(db, thread(db)) == 1
    assert rows(
        db,
        "select d.status, m.sender_id::text from chat.deliveries d join chat.messages m"
        " on m.conversation_id = d.conversation_id and m.id = d.message_id"
        " where d.conversation_id = %s",
        thread(db),
    ) == [("sent", world.channel["user_id"])]
    tell(db, {"kind": "status", "target": "wamid.2", "status": "read", "at": at(5)})
    assert value(
        db, "select status from chat.deliveries where conversation_id = %s", thread(db)
    ) == ("read")


def test_an_edit_replaces_the_content_and_the_newest_wins(db: Connection, world: World) -> None:
    def edit(content: str, second: int) -> Json:
        return {**said("", content), "kind": "edit", "target": "wamid.1", "at": at(second)}

    tell(db, said("wamid.1", "helo"), edit("hello", 5))
    for late in (edit("hell", 3), edit("hello", 5), edit("a tie", 5)):
        assert tell(db, late)["duplicates"] == 1
    assert log(db) == [("contact", "text", "hello", None)]
    assert changes(db) == [("message_edited", "helo")]
    tell(db, edit("hello!", 7))
    assert changes(db)[1:] == [("message_edited", "hello")]
    assert events(db, thread(db))[-1]["type"] == "message_edited"


def test_an_edit_that_comes_before_its_message_becomes_it(db: Connection, world: World) -> None:
    edit = {**said("", "hello"), "kind": "edit", "target": "wamid.1", "at": at(5)}
    assert tell(db, edit)["duplicates"] == 0
    assert log(db) == [("contact", "text", "hello", None)]
    assert tell(db, edit, said("wamid.1", "helo"), said("wamid.1", "helo"))["duplicates"] == 3
    assert log(db) == [("contact", "text", "hello", None)]
    assert changes(db) == [("message_edited", "helo")]
    assert unread(db, thread(db)) == 1


def test_a_revocation_deletes_once(db: Connection, world: World) -> None:
    revoke = {"kind": "revoke", "target": "wamid.1", "at": at(5)}
    tell(db, said("wamid.1"), revoke)
    assert tell(db, revoke)["duplicates"] == 1
    assert log(db) == [("contact", "text", None, None)]
    assert changes(db) == [("message_deleted", "hello")]
    assert unread(db, thread(db)) == 0
    edit = {**said("", "again"), "kind": "edit", "target": "wamid.1", "at": at(7)}
    assert tell(db, edit)["duplicates"] == 1


def test_a_contact_reacts_with_one_emoji_at_a_time(db: Connection, world: World) -> None:
    def react(emoji: str | None, second: int, **more: Any) -> Json:
        return {"kind": "reaction", "target": "wamid.1", "emoji": emoji, "at": at(second), **more}

    tell(db, said("wamid.1"), react("👍", 1))
    assert log(db)[0][3] == ["👍"]
    tell(db, react("😂", 4))
    assert tell(db, react("❤", 3), react("👍", 1))["duplicates"] == 2
    assert log(db)[0][3] == ["😂"]
    tell(db, react("🎉", 2, by="business"))
    assert sorted(log(db)[0][3]) == ["🎉", "😂"]
    tell(db, react(None, 5), react("", 6))
    assert log(db)[0][3] == ["🎉"]
    assert [kind for kind, _ in changes(db)] == [
        "reaction_added",
        "reaction_removed",
        "reaction_added",
        "reaction_added",
        "reaction_removed",
    ]


def test_what_comes_before_its_message_waits_for_it(db: Connection, world: World) -> None:
    early = [
        {"kind": "reaction", "target": "wamid.1", "emoji": "👍", "at": at(1)},
        {"kind": "revoke", "target": "wamid.2", "at": at(1)},
        said("wamid.3", "an answer", reply_to="wamid.1"),
    ]
    tell(db, *early)
    tell(db, *early)
    waiting = "select provider_message_id, event ->> 'kind' from chat.parked_events order by 1, 2"
    assert rows(db, waiting) == [
        ("wamid.1", "reaction"),
        ("wamid.1", "reply"),
        ("wamid.2", "revoke"),
    ]
    tell(db, said("wamid.1", "one"), said("wamid.2", "two"))
    assert rows(db, waiting) == []
    assert log(db) == [
        ("contact", "text", "an answer", None),
        ("contact", "text", "one", ["👍"]),
        ("contact", "text", None, None),
    ]
    assert rows(
        db,
        "select m.content, r.content from chat.messages m join chat.messages r"
        " on r.conversation_id = m.conversation_id and r.id = m.reply_to_id"
        " where m.conversation_id = %s",
        thread(db),
    ) == [("an answer", "one")]


def test_what_answers_a_system_message_waits_for_it_too(db: Connection, world: World) -> None:
    moved = {
        "kind": "system",
        "id": "wamid.0",
        "event": "contact_identity_changed",
        "content": "Eve has a new telephone",
        "new": {},
    }
    tell(db, said("wamid.1", "an answer", reply_to="wamid.0"))
    tell(db, moved)
    assert value(db, "select count(*) from chat.parked_events") == 0
    assert rows(
        db,
        "select m.content, r.content from chat.messages m join chat.messages r"
        " on r.conversation_id = m.conversation_id and r.id = m.reply_to_id"
        " where m.conversation_id = %s",
        thread(db),
    ) == [("an answer", "Eve has a new telephone")]
    assert rows(db, "select * from api.check_invariants()") == []


def test_a_change_of_number_keeps_the_conversation(db: Connection, world: World) -> None:
    new = {"phone": "+491708888888", "wa_id": "491708888888"}
    system = {
        "kind": "system",
        "id": "wamid.2",
        "event": "contact_number_changed",
        "content": "Eve has a new number",
        "contact": {"wa_id": EVE["wa_id"]},
        "new": new,
        "at": at(5),
    }
    tell(db, said("wamid.1"), system)
    assert tell(db, system)["duplicates"] == 1
    assert key(db, thread(db)) == f"phone:{world.tenant_id}:+491708888888"
    before = {"contact": {"phone": EVE["phone"]}, "at": at(4)}
    tell(db, said("wamid.3", "after", contact=new, at=at(6)), said("wamid.4", "late", **before))
    assert [(source, content) for source, _, content, _ in log(db)] == [
        ("contact", "hello"),
        ("system", "Eve has a new number"),
        ("contact", "after"),
        ("contact", "late"),
    ]
    assert events(db, thread(db))[2]["type"] == "message_created"
    # Whoever has the old number now is somebody else.
    tell(db, said("wamid.5", "who?", contact={"phone": EVE["phone"]}, at=at(7)))
    assert len(log(db)) == 4


def test_seen_with_the_new_number_before_the_change_is_told_is_the_same_contact(
    db: Connection, world: World
) -> None:
    new = {"phone": "+491708888888"}
    system = {
        "kind": "system",
        "id": "wamid.2",
        "event": "contact_number_changed",
        "content": "Eve has a new number",
        "new": new,
        "at": at(5),
    }
    tell(db, said("wamid.1"), said("wamid.3", "after", contact=new, at=at(6)))
    assert len(log(db)) == 1
    tell(db, system)
    assert [content for _, _, content, _ in log(db)] == [
        "hello",
        "after",
        "Two contacts turned out to be one",
        "Eve has a new number",
    ]


def test_what_the_contact_does_to_our_messages_finds_them(db: Connection, world: World) -> None:
    """The id a provider gave to a message of ours leads to it like that of any other."""
    sent = send(db, world.thread, world.ann, "we are open")
    (delivery,) = [
        one
        for one in succeed(db, "claim_deliveries", worker="w", limit=10)["deliveries"]
        if one["conversation_id"] == world.thread
    ]
    assert delivery["message_id"] in (sent["id"], world.offer["id"])
    reaction = {"kind": "reaction", "target": "wamid.out", "emoji": "👍", "at": at(1)}
    contact = {"phone": "+491701234567"}
    tell(db, {**reaction, "contact": contact})
    settled = call(
        db,
        "settle_delivery_atomic",
        conversation_id=world.thread,
        message_id=delivery["message_id"],
        lease=delivery["lease"],
        outcome="sent",
        provider_message_id="wamid.out",
    )
    assert settled["success"] is True, settled
    assert rows(
        db,
        "select emoji, user_id::text from chat.reactions where conversation_id = %s",
        world.thread,
    ) == [("👍", world.contact)]


def test_a_webhook_of_hundreds_of_messages_does_not_use_up_the_servers_locks(
    db: Connection, world: World
) -> None:
    people = [{"phone": f"+4917{number:07}", "wa_id": f"4917{number:07}"} for number in range(400)]
    result = tell(db, *(said(f"wamid.{one['wa_id']}", contact=one, at=at(1)) for one in people))
    assert (result["events"], result["duplicates"]) == (400, 0)
    assert (
        value(
            db,
            "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
        )
        < 100
    )


def test_a_webhook_of_hundreds_of_messages_is_not_copied_for_each(
    db: Connection, world: World
) -> None:
    given = webhook(*(said(f"wamid.{number}", content="x" * 2000) for number in range(200)))
    (plan,) = value(
        db,
        "explain (analyze, buffers, format json) select api.receive_webhooks_atomic(%s)",
        Jsonb([given]),
    )
    assert len(log(db)) == 200
    assert plan["Plan"]["Temp Written Blocks"] == 0
