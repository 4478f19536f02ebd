"""What providers tell, in any order and any number of times, leads to the same inbox.

Each script is a conversation of a few people as their phones saw it. It is told once in order, and
again shuffled, cut into other batches and with repetitions. `RECEIVED_SEEDS` makes it longer.
"""

import datetime
import os
import random
import uuid

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.assistant.runs import complete
from tests.rpc.behind import rows
from tests.support import (
    Connection,
    Json,
    connect,
    new_channel,
    new_tenant,
    new_user,
    succeed,
    violations,
)

SEEDS = int(os.environ.get("RECEIVED_SEEDS", "12"))
BEGIN = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


class Script:
    """Random things that happen to a few people, as events in the neutral form."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.events: list[Json] = []
        self.seconds = 0.0
        for person in range(self.random.randint(1, 3)):
            self._converse(person)

    def _converse(self, person: int) -> None:
        choose = self.random
        identities = {
            "phone": f"+49170000000{person}",
            "wa_id": f"4917000000{person}",
            "bsuid": f"DE.{person}",
        }
        sent: list[tuple[str, str]] = []  # id, by whom
        changes_at = choose.choice([None, 6, 12])
        for number in range(choose.randint(4, 18)):
            # Clocks of providers tick in seconds: some things share one.
            self.seconds += choose.choice([0, 1, 1, 7])
            if number == changes_at:
                self._changes_number(person, identities)
                continue
            kind = choose.choices(
                ["message", "echo", "edit", "revoke", "reaction", "status"], [8, 3, 4, 2, 6, 3]
            )[0]
            if kind in ("message", "echo") or not sent:
                kind = kind if kind == "echo" else "message"
                name = f"wamid.{person}.{number}"
                event: Json = {"kind": kind, "id": name, **self._words(f"{person} {number}")}
                if sent and choose.random() < 0.4:
                    event["reply_to"] = choose.choice(sent)[0]
                sent.append((name, "contact" if kind == "message" else "business"))
            else:
                target, by = choose.choice(sent)
                event = {"kind": kind, "target": target, "by": by}
                if kind == "edit":
                    event |= self._words(f"edited {person} {number}")
                elif kind == "reaction":
                    event["by"] = choose.choice(["contact", "business"])
                    event["emoji"] = choose.choice(["👍", "❤", "😂", None])
                elif kind == "status":
                    event["status"] = choose.choice(["sent", "delivered", "read", "failed"])
            self._happens(event, self._some(identities))

    def _changes_number(self, person: int, identities: Json) -> None:
        told = self.random.choice([["phone", "wa_id"], ["phone", "wa_id", "bsuid"]])
        before = {kind: identities[kind] for kind in told}
        identities |= {
            "phone": f"+49170000001{person}",
            "wa_id": f"4917000001{person}",
            "bsuid": f"DE.new.{person}",
        }
        self.seconds += 1.5
        self._happens(
            {
                "kind": "system",
                "id": f"wamid.{person}.system",
                "event": "contact_number_changed",
                "content": "has a new number",
                "new": {kind: identities[kind] for kind in told},
            },
            before,
        )
        self.seconds += 1.5

    def _words(self, content: str) -> Json:
        kind = self.random.choice(["text", "image", "unsupported"])
        given = content if kind == "text" else self.random.choice([content, None])
        return {"type": kind, "content": given, "metadata": {kind: {"of": content}}}

    def _some(self, identities: Json) -> Json:
        chosen = self.random.choice(
            [["phone", "wa_id"], ["bsuid"], ["phone", "wa_id", "bsuid"], ["wa_id", "bsuid"]]
        )
        return {kind: identities[kind] for kind in chosen}

    def _happens(self, event: Json, contact: Json) -> None:
        at = BEGIN + datetime.timedelta(seconds=self.seconds)
        self.events.append(
            {"at": at.isoformat(), "address": "1001", "contact": contact, "name": "Con", **event}
        )


def told(db: Connection, events: list[Json], chance: random.Random, most: int) -> str:
    """Let a new tenant's channel, on which a bot answers, hear it in batches; the tenant."""
    tenant_id = new_tenant(db)
    address = f"1001-{uuid.uuid4().hex}"
    bot = new_user(db, "Robot", tenant_id=tenant_id, kind="bot")
    new_channel(db, tenant_id, address=address, responder_id=bot, reply_window="0")
    waiting = [{**event, "address": address} for event in events]
    while waiting:
        webhooks: list[Json] = []
        for _ in range(chance.randint(1, most)):
            size = chance.randint(1, 3)
            taken, waiting = waiting[:size], waiting[size:]
            webhooks.append({"provider": "whatsapp", "payload": uuid.uuid4().hex, "events": taken})
        results = succeed(db, "receive_webhooks_atomic", webhooks=Jsonb(webhooks))["results"]
        assert all(result["success"] and "refused" not in result for result in results), results
    return tenant_id


def inbox(db: Connection, tenant_id: str) -> list[str]:
    """Say what there is in the end, without numbers of the log and times of ours."""
    threads = rows(
        db,
        "select c.conversation_id, replace(c.canonical_key, c.tenant_id::text, ''),"
        "       chat.thread_unread(c, t), c.message_count, t.last_inbound_at, u.display_name,"
        # Who has to answer: the business has, or a bot is asked.
        "       t.taken_over_at is not null,"
        "       exists (select from chat.runs r where r.conversation_id = c.conversation_id"
        "                                         and r.status = 'queued')"
        "  from chat.threads t join chat.conversations c using (conversation_id)"
        "  join chat.users u on u.user_id = t.contact_id where t.tenant_id = %s",
        tenant_id,
    )
    identities = rows(
        db,
        "select kind, value, learned_at, retired_at,"
        "       (select t.conversation_id from chat.threads t where t.contact_id = i.contact_id)"
        "  from chat.contact_identities i where tenant_id = %s order by kind, value",
        tenant_id,
    )
    waiting = rows(
        db,
        "select p.provider_message_id, p.event from chat.parked_events p"
        "  join chat.channels c using (channel_id) where c.tenant_id = %s order by 1, 2::text",
        tenant_id,
    )
    keys = {thread[0]: thread[1] for thread in threads}
    return sorted(
        [
            *(f"thread {list(map(str, thread[1:]))}" for thread in threads),
            *(f"{thread[1]} {line}" for thread in threads for line in said(db, thread[0])),
            *(f"{keys[conversation_id]} {known}" for *known, conversation_id in identities),
            *(f"waiting {name} { ({**event, 'address': ''}) }" for name, event in waiting),
        ]
    )


def said(db: Connection, conversation_id: str) -> list[str]:
    """What was said in a conversation, by the provider's id."""
    return [
        str(row)
        for row in rows(
            db,
            # What is deleted does not tell whether it was edited before. That two contacts were
            # one is only told where they first seemed to be two.
            "select coalesce(p.provider_message_id, m.metadata ->> 'event'), m.source,"
            "       case when m.deleted_at is null then m.type end,"
            "       m.content, m.metadata, p.sent_at, p.is_awaited,"
            "       m.deleted_at is null and m.edited_at is not null, m.deleted_at is not null,"
            "       (select array_agg(row(u.kind, r.emoji)::text order by u.kind)"
            "          from chat.reactions r join chat.users u using (user_id)"
            "         where r.conversation_id = m.conversation_id and r.message_id = m.id),"
            "       (select q.provider_message_id from chat.provider_messages q"
            "         where q.conversation_id = m.conversation_id"
            "           and q.message_id = m.reply_to_id),"
            "       (select row(d.status, d.sent_at, d.delivered_at, d.read_at, d.failed_at)::text"
            "          from chat.deliveries d"
            "         where d.conversation_id = m.conversation_id and d.message_id = m.id)"
            "  from chat.messages m left join chat.provider_messages p"
            "    on p.conversation_id = m.conversation_id and p.message_id = m.id"
            " where m.conversation_id = %s"
            "   and coalesce(m.metadata ->> 'event', '') <> 'contacts_merged'"
            " order by 1",
            conversation_id,
        )
    ]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_order_and_any_number_of_repetitions_lead_to_the_same_inbox(
    shared_database: str, seed: int
) -> None:
    script = Script(seed)
    chance = random.Random(seed)
    with connect(shared_database, None, autocommit=False) as db:
        db.execute("set local role parley_api")
        expected = inbox(db, told(db, script.events, chance, 1))
        for _ in range(4):
            shuffled = [
                event for event in script.events for _ in range(chance.choice([1, 1, 2, 3]))
            ]
            chance.shuffle(shuffled)
            found = inbox(db, told(db, shuffled, chance, 5))
            assert (sorted({*found} - {*expected}), sorted({*expected} - {*found})) == ([], [])
            assert len(found) == len(expected)
        while run := succeed(db, "claim_run", worker="one")["data"]:
            assert run["messages"][-1]["role"] == "user"
            complete(db, run, "an answer")
        assert rows(db, "select from chat.runs where finished_at is null") == []
        assert violations(db) == []
        db.rollback()
