"""A bot answers what a contact asks, until a person takes over."""

import datetime
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.assistant.runs import claim, complete, fail, lose_worker, outdate, run_row, say
from tests.rpc.behind import events, rows, set_limit, value
from tests.rpc.conftest import World
from tests.rpc.inbox.deliveries import claim as claim_deliveries
from tests.support import (
    Connection,
    Json,
    new_channel,
    new_user,
    receive,
    send,
    succeed,
)

EVE = "+491709999999"
FAY = "+491708888888"
NOBODY = "00000000-0000-0000-0000-000000000000"
_numbers = itertools.count()


@dataclass(frozen=True)
class Shop:
    """A channel with a bot that answers, and Eve, who has written nothing yet."""

    db: Connection
    ann: str
    bob: str
    bot: str
    tenant_id: str
    channel: Json

    def hears(self, content: str | None = "are you open?", who: str = EVE, **more: Any) -> Json:
        """Let a contact write; the message."""
        message: Json = receive(self.db, self.channel, content, who, **more)["message"]
        return message

    def told(self, *given: Json, who: str = EVE) -> None:
        """Let the provider tell of events, by a contact and now where they do not say otherwise."""
        common = {
            "address": self.channel["address"],
            "contact": {"phone": who},
            "at": now(),
            "by": "contact",
        }
        webhook = {
            "provider": "whatsapp",
            "payload": f"body {next(_numbers)}",
            "events": [{**common, **event} for event in given],
        }
        (result,) = succeed(self.db, "receive_webhooks_atomic", webhooks=Jsonb([webhook]))[
            "results"
        ]
        assert result["success"], result
        assert "refused" not in result

    def thread(self, who: str = EVE) -> Json:
        """Show the thread with a contact."""
        thread: Json = succeed(self.db, "get_thread", thread=who, actor_id=self.ann)["thread"]
        return thread

    def says(self, content: str = "I am here", who: str = EVE, **more: Any) -> Json:
        """Let Ann answer."""
        return send(self.db, self.thread(who)["conversation_id"], self.ann, content, **more)

    def assigns(self, to: str | None, who: str = EVE) -> Json:
        """Let Bob assign the thread."""
        return succeed(
            self.db,
            "assign_thread_atomic",
            conversation_id=self.thread(who)["conversation_id"],
            actor_id=self.bob,
            assignee_id=to,
        )

    def closes(self) -> None:
        """Let Bob close the thread."""
        succeed(
            self.db,
            "close_conversation_atomic",
            conversation_id=self.thread()["conversation_id"],
            actor_id=self.bob,
        )

    def runs(self, who: str = EVE) -> list[tuple[str | None, str]]:
        """List what was asked of the bot, and what has become of it."""
        return rows(
            self.db,
            "select m.content, r.status from chat.runs r"
            " join chat.messages m on m.conversation_id = r.conversation_id and m.id = r.message_id"
            " where r.conversation_id = %s order by r.run_id",
            self.thread(who)["conversation_id"],
        )

    def log(self, who: str = EVE) -> list[tuple[str, str | None]]:
        """List who said what."""
        page = succeed(self.db, "list_thread_messages", thread=who, actor_id=self.ann)
        return [(one["source"], one["content"]) for one in page["messages"]]


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()


def said(name: str, content: str | None = "are you open?", **more: Any) -> Json:
    return {"kind": "message", "id": name, "type": "text", "content": content, **more}


@pytest.fixture
def shop(db: Connection, world: World) -> Shop:
    bot = new_user(db, "Robot", tenant_id=world.tenant_id, kind="bot")
    channel = new_channel(db, world.tenant_id, responder_id=bot)
    return Shop(db, world.ann, world.bob, bot, world.tenant_id, channel)


# Who is asked, and how the answer goes out.


def test_what_a_contact_asks_is_given_to_a_worker(db: Connection, shop: Shop) -> None:
    message = shop.hears()
    thread = shop.thread()
    run = claim(db)
    assert (run["conversation_id"], run["message_id"]) == (
        thread["conversation_id"],
        message["id"],
    )
    assert run["thread"]["kind"] == "inbox"
    assert run["user"]["id"] == thread["contact"]["id"]
    assert [(one["role"], one["content"]) for one in run["messages"]] == [("user", "are you open?")]


def test_its_answer_goes_out_as_the_bots(db: Connection, shop: Shop) -> None:
    message = shop.hears()
    run = claim(db)
    answer = complete(db, run, "until six")["message"]
    assert (answer["sender_id"], answer["sender_name"], answer["source"]) == (
        shop.bot,
        "Robot",
        "bot",
    )
    assert (answer["content"], answer["reply_to_id"], answer["metadata"]) == (
        "until six",
        message["id"],
        {"run_id": run["id"]},
    )
    (delivery,) = [one for one in claim_deliveries(db) if one["content"] == "until six"]
    assert (delivery["message_id"], delivery["contact"]) == (answer["id"], {"phone": EVE})
    assert run_row(db, run["id"])["answer_id"] == answer["id"]
    assert shop.log() == [("contact", "are you open?"), ("bot", "until six")]


def test_the_desk_sees_the_bot_at_work(db: Connection, shop: Shop) -> None:
    shop.hears()
    run = claim(db)
    say(db, run, "until")
    complete(db, run, "until six")
    thread_id = run["conversation_id"]
    told = [event["type"] for event in events(db, thread_id)]
    assert told[-3:] == ["run_delta", "message_created", "run_completed"]
    assert (
        value(
            db,
            "select bool_and(o.desk_id = %s) from chat.outbox o where o.conversation_id = %s",
            shop.tenant_id,
            thread_id,
        )
        is True
    )
    seen = succeed(db, "get_run", conversation_id=thread_id, actor_id=shop.bob, run_id=run["id"])
    assert (seen["data"]["status"], seen["message"]["content"]) == ("completed", "until six")


def test_an_answer_comes_after_what_was_said_meanwhile_where_it_goes_out(
    db: Connection, shop: Shop
) -> None:
    shop.hears()
    run = claim(db)
    meanwhile = shop.says("we moved", source="automation")
    answer = complete(db, run, "until six")["message"]
    assert answer["id"] > meanwhile["id"]


def test_without_a_responder_nobody_is_asked(db: Connection, shop: Shop) -> None:
    new_channel(db, shop.tenant_id, responder_id=NOBODY)
    shop.hears()
    assert shop.runs() == []
    assert shop.thread()["responder_id"] is None


@pytest.mark.parametrize(
    ("kind", "content", "metadata", "asks"),
    [
        ("text", "hello", {}, True),
        ("interactive", "Yes", {"interactive": {"id": "1"}}, True),
        ("button", "Stop", {}, True),
        ("image", "is this blue?", {"image": {"id": "1"}}, True),
        ("image", None, {"image": {"id": "1"}}, False),
        ("text", " ", {}, False),
        ("unsupported", "?", {}, False),
        ("text", "hello all", {"group_id": "1"}, False),
    ],
)
def test_what_has_words_is_a_question(
    shop: Shop, kind: str, content: str | None, metadata: Json, asks: bool
) -> None:
    shop.hears(content, type=kind, metadata=metadata)
    assert len(shop.runs()) == asks


def test_a_picture_is_seen_with_the_question_that_follows(db: Connection, shop: Shop) -> None:
    shop.hears(None, type="image", metadata={"image": {"id": "1"}})
    shop.hears("is this blue?")
    assert [one["type"] for one in claim(db)["messages"]] == ["image", "text"]


def test_the_same_message_again_asks_nothing(db: Connection, shop: Shop) -> None:
    shop.hears(provider_message_id="wamid.1")
    complete(db, claim(db), "until six")
    receive(db, shop.channel, "are you open?", EVE, provider_message_id="wamid.1")
    assert shop.runs() == [("are you open?", "completed")]


def test_what_comes_days_late_asks_nothing(shop: Shop) -> None:
    shop.hears(sent_at="2026-01-01T00:00:00Z")
    assert shop.runs() == []


def test_a_bot_answers_whoever_is_of_the_desk(db: Connection, shop: Shop) -> None:
    succeed(db, "set_desk_atomic", tenant_id=shop.tenant_id, agent_ids=[shop.ann])
    shop.hears()
    complete(db, claim(db), "until six")
    assert shop.log()[1:] == [("bot", "until six")]


def test_a_bot_that_is_gone_is_not_asked(db: Connection, shop: Shop) -> None:
    succeed(db, "deactivate_user_atomic", user_id=shop.bot)
    shop.hears()
    assert shop.runs() == []


# Several questions, and questions that wait.


def test_what_is_said_before_a_worker_takes_it_is_answered_together(
    db: Connection, shop: Shop
) -> None:
    shop.told(said("wamid.1", "hi"), said("wamid.2", "are you open?"))
    shop.hears("on Sunday?")
    run = claim(db)
    assert [one["content"] for one in run["messages"]] == ["hi", "are you open?", "on Sunday?"]
    complete(db, run, "no")
    assert shop.runs() == [("hi", "completed")]


@pytest.mark.parametrize("end", ["completed", "failed", "expired"])
def test_what_is_said_meanwhile_is_answered_next(db: Connection, shop: Shop, end: str) -> None:
    shop.hears("hi")
    run = claim(db)
    shop.hears("are you")
    shop.hears("open?")
    assert shop.runs() == [("hi", "in_progress")]
    if end == "completed":
        complete(db, run, "hello")
    elif end == "failed":
        fail(db, run)
    else:
        outdate(db)
        assert succeed(db, "claim_run", worker="other")["ended"] == 1
    assert shop.runs() == [("hi", end), ("open?", "queued")]


@pytest.mark.parametrize("how", ["fails", "is cancelled", "expires unseen"])
def test_what_could_not_be_answered_is_not_asked_again(
    db: Connection, shop: Shop, how: str
) -> None:
    message = shop.hears()
    if how == "fails":
        fail(db, claim(db))
    elif how == "is cancelled":
        run = claim(db)
        shop.hears("hello?")
        succeed(
            db,
            "cancel_run_atomic",
            conversation_id=message["conversation_id"],
            actor_id=shop.ann,
            run_id=run["id"],
        )
    else:
        outdate(db)
        assert succeed(db, "claim_run", worker="one")["data"] is None
    assert len(shop.runs()) == 1
    shop.hears("anybody there?")
    assert shop.runs()[1:] == [("anybody there?", "queued")]


def test_a_worker_that_is_lost_answers_once_all_the_same(db: Connection, shop: Shop) -> None:
    shop.hears()
    lost = claim(db)
    say(db, lost, "until fi")
    lose_worker(db)
    shop.hears("hello?")
    complete(db, claim(db), "until six")
    assert complete(db, lost, "until five")["changed"] is False
    assert shop.log()[2:] == [("bot", "until six")]
    assert shop.runs() == [("are you open?", "completed")]


# What is taken back, changed, or comes in another order.


def test_a_question_that_is_taken_back_is_not_answered(db: Connection, shop: Shop) -> None:
    shop.told(said("wamid.1"))
    run = claim(db)
    shop.told({"kind": "revoke", "target": "wamid.1"})
    assert [status for _, status in shop.runs()] == ["cancelled"]
    assert say(db, run, "until")["active"] is False


def test_of_several_questions_the_rest_is_answered(shop: Shop) -> None:
    shop.told(said("wamid.1", "hi"), said("wamid.2", "are you open?"))
    shop.told({"kind": "revoke", "target": "wamid.1"})
    assert shop.runs() == [(None, "cancelled"), ("are you open?", "queued")]


def test_a_question_that_was_answered_may_be_taken_back(db: Connection, shop: Shop) -> None:
    shop.told(said("wamid.1", "hi"), said("wamid.2", "are you open?"))
    complete(db, claim(db), "until six")
    shop.told({"kind": "revoke", "target": "wamid.2"})
    shop.told({"kind": "edit", "target": "wamid.1", "type": "text", "content": "hello"})
    assert shop.runs() == [("hello", "completed")]


def test_an_edit_may_make_it_a_question_or_none(shop: Shop) -> None:
    shop.told(said("wamid.1", None, type="image"))
    edit = {"kind": "edit", "target": "wamid.1", "type": "image"}
    shop.told({**edit, "content": "is this blue?"})
    assert shop.runs() == [("is this blue?", "queued")]
    shop.told({**edit, "content": None, "at": "2099-01-01T00:00:00Z"})
    assert shop.runs() == [(None, "cancelled")]


def test_an_edit_that_comes_first_asks_when_the_message_comes(shop: Shop) -> None:
    # An edit opens no window.
    shop.told({"kind": "edit", "target": "wamid.1", "type": "text", "content": "open?"})
    assert shop.runs() == []
    shop.told(said("wamid.1", "oben?"))
    assert shop.runs() == [("open?", "queued")]
    shop.told(said("wamid.1", "oben?"))
    assert shop.runs() == [("open?", "queued")]


def test_a_revocation_that_comes_first_leaves_nothing_to_ask(shop: Shop) -> None:
    shop.told({"kind": "revoke", "target": "wamid.1"})
    shop.told(said("wamid.1"))
    assert shop.runs() == []


# A person takes over, and gives back.


def test_who_answers_takes_over(db: Connection, shop: Shop) -> None:
    shop.hears()
    assert shop.thread()["taken_over_at"] is None
    run = claim(db)
    say(db, run, "until s")
    shop.says("until seven today")
    assert shop.runs() == [("are you open?", "cancelled")]
    # Half an answer does not go out.
    assert shop.log()[1:] == [("person", "until seven today")]
    assert complete(db, run, "until six")["changed"] is False
    taken_over_at = shop.thread()["taken_over_at"]
    shop.hears("and tomorrow?")
    shop.says("tomorrow, too")
    assert len(shop.runs()) == 1
    assert shop.thread()["taken_over_at"] == taken_over_at


@pytest.mark.parametrize("source", ["bot", "automation"])
def test_a_machine_that_speaks_takes_nothing_over(shop: Shop, source: str) -> None:
    shop.hears()
    shop.says("we moved", source=source)
    assert shop.thread()["taken_over_at"] is None
    assert shop.runs() == [("are you open?", "queued")]


def test_one_thread_has_answers_of_all_three(db: Connection, shop: Shop) -> None:
    shop.hears()
    complete(db, claim(db), "until six")
    shop.says("20 % off today", source="automation")
    shop.says("how may I help?")
    assert [source for source, _ in shop.log()] == ["contact", "bot", "automation", "person"]


def test_who_answers_on_the_phone_takes_over(shop: Shop) -> None:
    shop.told(said("wamid.1"))
    shop.told({**said("wamid.2", "until seven today"), "kind": "echo"})
    assert shop.runs() == [("are you open?", "cancelled")]
    taken_over_at = shop.thread()["taken_over_at"]
    shop.told({**said("wamid.3", "see you"), "kind": "echo"})
    shop.told(said("wamid.4", "thanks"))
    assert shop.thread()["taken_over_at"] == taken_over_at
    assert len(shop.runs()) == 1


def test_who_wrote_first_is_answered_to_in_person(db: Connection, world: World) -> None:
    bot = new_user(db, "Robot", tenant_id=world.tenant_id, kind="bot")
    channel = new_channel(db, world.tenant_id, responder_id=bot)
    receive(db, channel, "how much is that?")
    assert value(db, "select count(*) from chat.runs") == 0


def test_to_whom_it_is_assigned_takes_over(shop: Shop) -> None:
    shop.hears()
    thread = shop.assigns(shop.ann)["thread"]
    assert (thread["assignee_id"], shop.runs()) == (shop.ann, [("are you open?", "cancelled")])
    told = events(shop.db, thread["conversation_id"])
    (updated,) = [event for event in told if event["type"] == "conversation_updated"]
    assert (updated["assignee_id"], updated["taken_over_at"]) == (
        shop.ann,
        thread["taken_over_at"],
    )
    assert shop.assigns(shop.ann)["duplicate"] is True
    assert shop.assigns(shop.bob)["thread"]["taken_over_at"] == thread["taken_over_at"]


@pytest.mark.parametrize("to", ["nobody", "bot"])
def test_given_back_the_bot_answers_what_nobody_has(shop: Shop, to: str) -> None:
    shop.hears()
    shop.assigns(shop.ann)
    shop.hears("hello?")
    thread = shop.assigns(shop.bot if to == "bot" else None)["thread"]
    assert thread["taken_over_at"] is None
    assert shop.runs() == [("are you open?", "cancelled"), ("hello?", "queued")]


def test_given_back_the_bot_leaves_alone_what_was_answered(db: Connection, shop: Shop) -> None:
    shop.hears("hi")
    complete(db, claim(db), "hello")
    shop.assigns(shop.ann)
    shop.assigns(None)
    assert len(shop.runs()) == 1
    shop.hears()
    shop.says("until six")
    # It is nobody's, but Ann speaks there.
    assert shop.assigns(None)["thread"]["taken_over_at"] is None
    assert len(shop.runs()) == 2
    shop.hears("thanks")
    assert shop.runs()[2:] == [("thanks", "queued")]


def test_what_is_closed_begins_with_the_bot_again(shop: Shop) -> None:
    shop.hears()
    shop.assigns(shop.ann)
    shop.closes()
    assert shop.thread()["taken_over_at"] is None
    shop.hears("one more thing")
    assert shop.runs()[1:] == [("one more thing", "queued")]
    assert shop.thread()["assignee_id"] == shop.ann
    assert shop.assigns(shop.ann)["thread"]["taken_over_at"] is not None
    assert shop.runs()[1:] == [("one more thing", "cancelled")]


# What becomes impossible while the bot is thinking.


def closes_thread(shop: Shop) -> None:
    shop.closes()


def closes_window(shop: Shop) -> None:
    rows(shop.db, "update chat.threads set last_inbound_at = now() - interval '2 days'")


def retires_bot(shop: Shop) -> None:
    succeed(shop.db, "deactivate_user_atomic", user_id=shop.bot)


def allows_little(shop: Shop) -> None:
    set_limit(shop.db, "content_characters", 5)


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (closes_thread, "conversation_closed"),
        (closes_window, "window_closed"),
        (retires_bot, "permission_denied"),
        (allows_little, "too_large"),
    ],
)
def test_an_answer_that_cannot_go_out_is_recorded_as_a_failure(
    db: Connection, shop: Shop, happens: Callable[[Shop], None], code: str
) -> None:
    shop.hears("hi")
    run = claim(db)
    happens(shop)
    result = complete(db, run, "good morning")
    assert (result["data"]["status"], result["message"]) == ("failed", None)
    assert result["data"]["error"]["code"] == code
    assert shop.log() == [("contact", "hi")]


def test_who_reopens_it_meanwhile_gets_both_answers(db: Connection, shop: Shop) -> None:
    shop.hears("hi")
    run = claim(db)
    shop.closes()
    shop.hears("are you there?")
    complete(db, run, "hello")
    complete(db, claim(db), "yes")
    assert [content for _, content in shop.log()] == ["hi", "are you there?", "hello", "yes"]


# Two contacts turn out to be one; a contact is forgotten.


def merges(shop: Shop) -> None:
    """Say that Eve is Fay."""
    result = succeed(
        shop.db,
        "link_contact_atomic",
        actor_id=shop.ann,
        contact_id=shop.thread()["contact"]["id"],
        kind="phone",
        value=FAY,
    )
    assert result["merged"] is True


def test_two_who_are_one_are_answered_once(db: Connection, shop: Shop) -> None:
    shop.hears("I am Eve", EVE)
    shop.hears("I am Fay", FAY)
    run = claim(db)
    merges(shop)
    assert shop.runs() == [
        ("I am Eve", "cancelled"),
        ("I am Fay", "cancelled"),
        ("I am Fay", "queued"),
    ]
    assert say(db, run, "hello")["active"] is False
    merged = claim(db)
    assert [one["content"] for one in merged["messages"]] == ["I am Eve", "I am Fay"]
    complete(db, merged, "hello both")
    assert len(shop.runs()) == 3


def test_what_was_answered_stays_so_in_one_log(db: Connection, shop: Shop) -> None:
    shop.hears("I am Fay", FAY)
    waiting = claim(db)
    shop.hears("I am Eve", EVE)
    complete(db, claim(db), "hello Eve")
    merges(shop)
    # Eve's is the later question, and has its answer.
    assert ("I am Fay", "queued") in shop.runs()
    assert complete(db, waiting, "hello Fay")["changed"] is False
    complete(db, claim(db), "hello Fay")
    shop.assigns(shop.ann)
    shop.assigns(None)
    assert [status for _, status in shop.runs()] == ["cancelled", "completed", "completed"]


def test_runs_follow_their_messages(db: Connection, shop: Shop) -> None:
    shop.hears("I am Eve", EVE)
    complete(db, claim(db), "hello Eve")
    shop.hears("I am Fay", FAY)
    run = claim(db)
    complete(db, run, "hello Fay")
    merges(shop)
    found = succeed(
        db,
        "get_run",
        conversation_id=run["conversation_id"],
        actor_id=shop.ann,
        run_id=run["id"],
    )
    assert found["conversation_id"] == shop.thread()["conversation_id"]
    assert found["message"]["content"] == "hello Fay"
    assert len(shop.runs()) == 2


def test_who_took_one_over_takes_both(db: Connection, shop: Shop) -> None:
    shop.hears("I am Eve", EVE)
    shop.hears("I am Fay", FAY)
    shop.says("hello Fay", FAY)
    merges(shop)
    assert shop.thread()["taken_over_at"] is not None
    assert [status for _, status in shop.runs()] == ["cancelled", "cancelled"]


def test_who_is_forgotten_is_not_answered(db: Connection, shop: Shop) -> None:
    shop.hears()
    run = claim(db)
    say(db, run, "dear Eve")
    succeed(db, "erase_user_atomic", user_id=shop.thread()["contact"]["id"])
    assert run_row(db, run["id"])["status"] == "cancelled"
    assert complete(db, run, "until six")["changed"] is False


def test_runs_go_with_the_messages_they_are_about(db: Connection, shop: Shop) -> None:
    shop.hears()
    complete(db, claim(db), "until six")
    shop.hears("thanks")
    succeed(db, "purge_messages_atomic", before="infinity")
    assert shop.runs() == []
    shop.hears("hello again")
    assert shop.runs() == [("hello again", "queued")]
