"""A bot answers contacts while they go on writing, and while people take over and give back."""

import random
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count

import pytest

from tests.race.steps import Cast, Person, Step, both_orders, meet, pass_by, said
from tests.race.test_inbox_desk import new_number
from tests.support import Json, at_once, call, new_channel, new_tenant, new_user, succeed

ROUNDS = 40


class Shop:
    """A tenant with a channel, a bot that answers there, two agents; a contact has asked."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        service = cast.service.connection
        self.tenant_id = new_tenant(service)
        self.bot = new_user(service, "Robot", tenant_id=self.tenant_id, kind="bot")
        self.address = uuid.uuid4().hex
        new_channel(service, self.tenant_id, address=self.address, responder_id=self.bot)
        self.ann, self.bob = (
            Person(name, new_user(service, name, tenant_id=self.tenant_id), enter(name), enter)
            for name, enter in (("ann", cast.enter), ("bob", cast.enter))
        )
        # What other races have left is not ours.
        while self.claims(lease="1 day").succeed()["data"]:
            pass
        self.number = new_number()
        first = self.writes("one").succeed()
        self.contact, self.thread = first["contact"]["id"], first["conversation_id"]

    def writes(self, text: str, number: str | None = None) -> Step:
        """Name what a contact asks."""
        return self.cast.operation(
            "receive_message_atomic",
            provider="whatsapp",
            address=self.address,
            provider_message_id=uuid.uuid4().hex,
            contact={"phone": number or self.number},
            content=text,
        )

    def claims(self, lease: str = "1 hour") -> Step:
        return self.cast.operation("claim_run", worker="one", lease=lease)

    def claimed(self) -> Json:
        """Take what was asked."""
        run: Json = self.claims().succeed()["data"]
        assert run is not None
        return run

    def completes(self, run: Json, content: str = "answer") -> Step:
        return self._holding("complete_run_atomic", run, content=content)

    def adds(self, run: Json, content: str) -> Step:
        return self._holding("append_run_delta", run, content=content)

    def answers(self, *, by: Person, text: str = "in person") -> Step:
        return by.sends(self.thread, text)

    def assigns(self, to: Person | None) -> Step:
        return self.bob.device().step(
            "assign_thread_atomic",
            conversation_id=self.thread,
            assignee_id=to.id if to else None,
        )

    def runs(self, thread: str | None = None) -> list[str]:
        """Return what has become of everything that was asked of the bot."""
        return self.cast.rows(
            "select status from chat.runs where conversation_id = %s order by run_id",
            thread or self.thread,
        )

    def says(self) -> list[str]:
        """Return what was said in the thread, system messages left out."""
        page = self.bob.device().step("list_thread_messages", thread=self.thread).succeed()
        return [one["content"] for one in page["messages"] if one["type"] != "system"]

    def open_questions(self) -> list[str]:
        """Return what contacts have asked and neither bot nor person has answered."""
        return self.cast.rows(
            "select m.content from chat.threads t"
            " join chat.messages m on m.conversation_id = t.conversation_id"
            " where t.tenant_id = %s and m.source = 'contact' and t.taken_over_at is null"
            "   and m.seq > all (select r.input_seq from chat.runs r"
            "                     where r.conversation_id = t.conversation_id"
            "                       and r.status = 'completed')"
            "   and m.seq > all (select p.seq from chat.messages p"
            "                     where p.conversation_id = t.conversation_id"
            "                       and p.source = 'person')",
            self.tenant_id,
        )

    def _holding(self, function: str, run: Json, content: str) -> Step:
        return self.cast.operation(
            function,
            conversation_id=run["conversation_id"],
            run_id=run["id"],
            lease=run["lease"],
            content=content,
        )


@pytest.fixture
def shop(cast: Cast) -> Shop:
    return Shop(cast)


# The contact goes on writing.


def test_two_messages_at_once_are_answered_together(shop: Shop) -> None:
    shop.completes(shop.claimed()).succeed()
    meet(shop.writes("two"), shop.writes("three"))
    assert shop.runs() == ["completed", "queued"]
    texts = [one["content"] for one in shop.claimed()["messages"]]
    assert texts == ["one", "answer", "two", "three"]


def test_many_messages_at_once_are_answered_together(shop: Shop) -> None:
    at_once([shop.writes(f"more {number}").run for number in range(12)])
    assert shop.runs() == ["queued"]
    assert len(shop.claimed()["messages"]) == 13


@both_orders
def test_what_comes_while_a_worker_takes_it_is_answered_next(shop: Shop, swapped: bool) -> None:
    claim, _ = pass_by(shop.claims(), shop.writes("two"), swapped=swapped)
    run = claim["data"]
    assert [one["content"] for one in run["messages"]] == ["one"]
    shop.completes(run).succeed()
    assert shop.runs() == ["completed", "queued"]
    assert [one["content"] for one in shop.claimed()["messages"]] == ["one", "two", "answer"]


@both_orders
def test_what_comes_while_it_is_answered_is_answered_next(shop: Shop, swapped: bool) -> None:
    run = shop.claimed()
    completing, _ = meet(shop.completes(run), shop.writes("two"), swapped=swapped)
    assert completing["changed"] is True
    assert shop.runs() == ["completed", "queued"]
    shop.completes(shop.claimed(), "answer two").succeed()
    assert shop.runs() == ["completed", "completed"]
    assert shop.open_questions() == []


def test_what_comes_while_an_answer_is_rolled_back_changes_nothing(shop: Shop) -> None:
    run = shop.claimed()
    meet(shop.completes(run), shop.writes("two"), ending="rollback")
    assert shop.runs() == ["in_progress"]
    shop.completes(run).succeed()
    assert shop.runs() == ["completed", "queued"]


# A person takes over, and gives back.


@both_orders
def test_a_person_speaks_while_the_bot_answers(shop: Shop, swapped: bool) -> None:
    run = shop.claimed()
    shop.adds(run, "ans").succeed()
    completing, sending = meet(
        shop.completes(run), shop.answers(by=shop.ann, text="in person"), swapped=swapped
    )
    assert said(sending) == "done"
    if swapped:
        assert (completing["changed"], completing["message"]) == (False, None)
        assert (shop.runs(), shop.says()) == (["cancelled"], ["one", "in person"])
    else:
        assert (shop.runs(), shop.says()) == (["completed"], ["one", "answer", "in person"])
    shop.writes("two").succeed()
    assert len(shop.runs()) == 1


def test_a_person_speaks_while_a_worker_takes_the_question(shop: Shop) -> None:
    claim, _ = meet(shop.claims(), shop.answers(by=shop.ann))
    assert shop.runs() == ["cancelled"]
    assert shop.adds(claim["data"], "ans").succeed()["active"] is False
    assert shop.completes(claim["data"]).succeed()["changed"] is False


def test_nobody_takes_a_question_that_a_person_is_answering(shop: Shop) -> None:
    sending, claim = pass_by(shop.answers(by=shop.ann), shop.claims())
    assert (said(sending), claim["data"]) == ("done", None)
    assert shop.runs() == ["cancelled"]


@both_orders
def test_a_message_while_a_person_takes_over_is_theirs(shop: Shop, swapped: bool) -> None:
    shop.completes(shop.claimed()).succeed()
    meet(shop.assigns(shop.ann), shop.writes("two"), swapped=swapped)
    assert shop.runs() == (["completed", "cancelled"] if swapped else ["completed"])


@both_orders
def test_a_message_while_it_is_given_back_is_answered_once(shop: Shop, swapped: bool) -> None:
    shop.assigns(shop.ann).succeed()
    meet(shop.assigns(None), shop.writes("two"), swapped=swapped)
    assert shop.runs() == ["cancelled", "queued"]
    assert [one["content"] for one in shop.claimed()["messages"]] == ["one", "two"]


@both_orders
def test_one_takes_over_while_another_gives_back(shop: Shop, swapped: bool) -> None:
    shop.assigns(shop.ann).succeed()
    meet(shop.assigns(shop.bob), shop.assigns(None), swapped=swapped)
    assert shop.runs() == ["cancelled", "cancelled"] if swapped else ["cancelled", "queued"]


@both_orders
def test_it_is_answered_before_it_is_closed_or_not_at_all(shop: Shop, swapped: bool) -> None:
    run = shop.claimed()
    completing, _ = meet(shop.completes(run), shop.ann.closes(shop.thread), swapped=swapped)
    assert completing["data"]["status"] == ("failed" if swapped else "completed")
    assert len(shop.says()) == (1 if swapped else 2)


# Two contacts turn out to be one.


Two = tuple[Shop, Callable[[], Step], str]


@pytest.fixture
def two(shop: Shop) -> Two:
    """Let a second contact ask; how to link the two, and the thread that will be gone."""
    number = new_number()

    def links() -> Step:
        return shop.ann.device().step(
            "link_contact_atomic", contact_id=shop.contact, kind="phone", value=number
        )

    return shop, links, shop.writes("other", number).succeed()["conversation_id"]


@both_orders
@pytest.mark.parametrize("whose", ["survivor", "other"])
def test_an_answer_while_two_become_one(two: Two, swapped: bool, whose: str) -> None:
    shop, links, other = two
    runs = [shop.claimed(), shop.claimed()]
    (run,) = [run for run in runs if (run["conversation_id"] == other) == (whose == "other")]
    linking, completing = meet(links(), shop.completes(run), swapped=swapped)
    assert (said(linking), linking["merged"]) == ("done", True)
    assert completing["changed"] is swapped
    # The other question, or both, are asked again.
    last = shop.claimed()
    shop.completes(last, "last").succeed()
    assert sorted(shop.runs()) == sorted(
        ["completed", "completed", "cancelled"]
        if swapped
        else ["completed", "cancelled", "cancelled"]
    )
    assert shop.open_questions() == []


@both_orders
def test_a_piece_of_an_answer_while_two_become_one(two: Two, swapped: bool) -> None:
    shop, links, other = two
    runs = [shop.claimed(), shop.claimed()]
    (run,) = [run for run in runs if run["conversation_id"] == other]
    linking, adding = meet(links(), shop.adds(run, "ans"), swapped=swapped)
    assert (said(linking), adding.get("active", False)) == ("done", swapped)
    assert shop.runs() == ["cancelled", "cancelled", "queued"]


@both_orders
def test_a_question_while_two_become_one(two: Two, swapped: bool) -> None:
    shop, links, _ = two
    meet(links(), shop.writes("two"), swapped=swapped)
    assert shop.runs() == ["cancelled", "cancelled", "queued"]
    texts = [one["content"] for one in shop.claimed()["messages"]]
    assert texts == ["one", "other", "two"]


# All of it at once.


def test_everybody_at_once_leaves_nothing_unanswered(shop: Shop) -> None:
    numbers = [shop.number, *(new_number() for _ in range(4))]
    for number in numbers[1:]:
        shop.writes("first", number).succeed()
    threads: list[str] = shop.cast.rows(
        "select conversation_id::text from chat.threads where tenant_id = %s", shop.tenant_id
    )
    turn = count()

    def writer(seed: int) -> None:
        chance = random.Random(seed)
        step = shop.writes("question")
        for _ in range(ROUNDS):
            more = {
                "provider_message_id": uuid.uuid4().hex,
                "contact": {"phone": chance.choice(numbers)},
                "content": f"question {next(turn)}",
            }
            replace(step, arguments={**step.arguments, **more}).succeed()

    def worker(seed: int) -> None:
        chance = random.Random(seed)
        claim = shop.claims()
        for _ in range(ROUNDS):
            run = claim.succeed()["data"]
            if run is not None:
                held = {
                    "conversation_id": run["conversation_id"],
                    "run_id": run["id"],
                    "lease": run["lease"],
                }
                if chance.random() < 0.2:
                    error = {"code": "broken", "message": "it is broken"}
                    succeed(claim.racer.connection, "fail_run_atomic", **held, error=error)
                    continue
                # A merge may take the run away while it is looked for: it is cancelled then.
                for piece in ("I ", "think"):
                    call(claim.racer.connection, "append_run_delta", **held, content=piece)
                succeed(claim.racer.connection, "complete_run_atomic", **held)

    def agent(person: Person, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(ROUNDS):
            thread = chance.choice(threads)
            act = chance.choice(["send", "assign", "give back", "close", "reopen"])
            if act == "send":
                person.sends(thread, "in person").run()
            elif act in ("assign", "give back"):
                person.step(
                    "assign_thread_atomic",
                    conversation_id=thread,
                    assignee_id=person.id if act == "assign" else None,
                ).succeed()
            else:
                (person.closes(thread) if act == "close" else person.reopens(thread)).succeed()

    def link() -> None:
        shop.ann.device().step(
            "link_contact_atomic", contact_id=shop.contact, kind="phone", value=numbers[1]
        ).succeed()

    at_once(
        [
            *(partial(writer, seed) for seed in range(2)),
            *(partial(worker, seed) for seed in range(2)),
            partial(agent, shop.ann, 1),
            partial(agent, shop.bob, 2),
            link,
        ]
    )
    # Given back and opened, whoever has asked last gets an answer.
    for thread in threads:
        shop.bob.reopens(thread).succeed()
        shop.bob.step(
            "assign_thread_atomic", conversation_id=thread, assignee_id=shop.bob.id
        ).succeed()
        shop.bob.step("assign_thread_atomic", conversation_id=thread, assignee_id=None).succeed()
    while run := shop.claims().succeed()["data"]:
        shop.completes(run).succeed()
    assert shop.open_questions() == []
    active = shop.cast.rows(
        "select count(*) from chat.runs where tenant_id = %s and finished_at is null",
        shop.tenant_id,
    )
    assert active == [0]
