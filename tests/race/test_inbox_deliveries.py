"""Workers beside each other, beside the provider's statuses, and beside the desk."""

import uuid
from typing import Any

import pytest

from tests.race.steps import Cast, Person, Step, both_orders, meet, pass_by, said
from tests.support import Json, Racer, at_once


class Outbox:
    """A channel of a provider of its own, an agent, and contacts who have written."""

    def __init__(self, cast: Cast, contacts: int = 1) -> None:
        self.cast = cast
        (self.ann,) = cast.people("ann")
        self.provider = f"p{uuid.uuid4().hex[:16]}"
        self.owner: Racer = cast.enter("owner", None)
        self.threads: list[str] = []
        self.contacts: list[str] = []
        for _ in range(contacts):
            written = self.writes(f"+49{uuid.uuid4().int % 10**10:010}").succeed()
            self.threads.append(written["conversation_id"])
            self.contacts.append(written["contact"]["id"])

    def writes(self, number: str) -> Step:
        return self.cast.operation(
            "receive_message_atomic",
            provider=self.provider,
            address="1",
            provider_message_id=uuid.uuid4().hex,
            contact={"phone": number},
            content="hi",
        )

    def claims(self, limit: int = 10) -> Step:
        return self.cast.operation(
            "claim_deliveries", worker="one", limit=limit, providers=[self.provider]
        )

    def claimed(self) -> Json:
        """Answer the first contact and claim that."""
        self.ann.sends(self.threads[0]).succeed()
        (delivery,) = self.claims().succeed()["deliveries"]
        found: Json = delivery
        return found

    def settles(self, delivery: Json, outcome: str, **more: Any) -> Step:
        return self.cast.operation(
            "settle_delivery_atomic",
            conversation_id=delivery["conversation_id"],
            message_id=delivery["message_id"],
            lease=delivery["lease"],
            outcome=outcome,
            **more,
        )

    def tells(self, status: str, provider_message_id: str = "out", **more: Any) -> Step:
        return self.cast.operation(
            "record_delivery_status_atomic",
            provider=self.provider,
            address="1",
            provider_message_id=provider_message_id,
            status=status,
            **more,
        )

    def hasten(self) -> None:
        """Let the time of leases and back-offs pass."""
        self.owner.connection.execute(
            "update chat.deliveries d set due_at = clock_timestamp() from chat.channels c"
            " where c.channel_id = d.channel_id and c.provider = %s and d.status = 'queued'",
            [self.provider],
        )

    def statuses(self) -> list[str]:
        """Return how all messages fare."""
        found = self.owner.connection.execute(
            "select d.status from chat.deliveries d join chat.channels c using (channel_id)"
            " where c.provider = %s order by 1",
            [self.provider],
        ).fetchall()
        return [status for (status,) in found]

    def parked(self) -> int:
        """Return how many events wait for a message."""
        row = self.owner.connection.execute(
            "select count(*) from chat.parked_events p join chat.channels c using (channel_id)"
            " where c.provider = %s",
            [self.provider],
        ).fetchone()
        assert row
        count: int = row[0]
        return count


def test_a_claim_passes_over_what_another_is_claiming(cast: Cast) -> None:
    outbox = Outbox(cast)
    outbox.ann.sends(outbox.threads[0]).succeed()
    first, second = pass_by(outbox.claims(), outbox.claims())
    assert (len(first["deliveries"]), second["deliveries"]) == (1, [])


def test_a_claim_that_is_rolled_back_leaves_it_to_others(cast: Cast) -> None:
    outbox = Outbox(cast)
    outbox.ann.sends(outbox.threads[0]).succeed()
    claim = outbox.claims()
    claim.racer.begin()
    assert len(claim.run()["deliveries"]) == 1
    claim.racer.rollback()
    (delivery,) = outbox.claims().succeed()["deliveries"]
    assert delivery["attempts"] == 1


def test_workers_at_once_share_without_overlap(cast: Cast) -> None:
    outbox = Outbox(cast, contacts=12)
    for thread in outbox.threads:
        outbox.ann.sends(thread).succeed()
    claims = [outbox.claims(limit=4) for _ in range(6)]
    taken: list[str] = []
    while len(taken) < 12:
        for answer in at_once([claim.run for claim in claims]):
            taken += [one["conversation_id"] for one in answer["deliveries"]]
    assert sorted(taken) == sorted(outbox.threads)


def test_order_holds_however_many_workers_ask(cast: Cast) -> None:
    outbox = Outbox(cast)
    sent = [outbox.ann.sends(outbox.threads[0], str(n)).succeed()["message"] for n in range(4)]
    gone: list[str] = []
    claims = [outbox.claims() for _ in range(4)]
    while len(gone) < 4:
        found = [
            one
            for answer in at_once([claim.run for claim in claims])
            for one in answer["deliveries"]
        ]
        assert len(found) <= 1
        for one in found:
            gone.append(one["message_id"])
            outbox.settles(one, "sent", provider_message_id=f"out{len(gone)}").succeed()
    assert gone == [message["id"] for message in sent]


@both_orders
@pytest.mark.parametrize("with_callback", [False, True])
def test_a_status_beside_the_answer_is_not_lost(
    cast: Cast, swapped: bool, with_callback: bool
) -> None:
    outbox = Outbox(cast)
    delivery = outbox.claimed()
    more = {"callback": delivery["callback"]} if with_callback else {}
    settled, told = meet(
        outbox.settles(delivery, "sent", provider_message_id="out"),
        outbox.tells("delivered", **more),
        swapped=swapped,
    )
    assert (settled["success"], told["success"]) == (True, True)
    assert (outbox.statuses(), outbox.parked()) == (["delivered"], 0)


def test_statuses_at_once_come_to_the_highest(cast: Cast) -> None:
    outbox = Outbox(cast)
    delivery = outbox.claimed()
    steps = [
        outbox.tells(status, callback=delivery["callback"])
        for status in ("sent", "delivered", "read", "failed", "delivered", "read")
    ]
    steps.append(outbox.settles(delivery, "sent", provider_message_id="out"))
    at_once([step.run for step in steps])
    assert (outbox.statuses(), outbox.parked()) == (["read"], 0)


def test_two_answers_to_one_message_are_one(cast: Cast) -> None:
    outbox = Outbox(cast)
    delivery = outbox.claimed()
    answers = meet(
        outbox.settles(delivery, "sent", provider_message_id="out"),
        outbox.settles(delivery, "sent", provider_message_id="out"),
    )
    assert [said(answer) for answer in answers] == ["done", "duplicate"]


@both_orders
def test_who_lost_the_lease_has_nothing_to_say(cast: Cast, swapped: bool) -> None:
    outbox = Outbox(cast)
    old = outbox.claimed()
    outbox.hasten()
    if swapped:
        # What is being given back is passed over.
        settled, claim = pass_by(outbox.settles(old, "retry"), outbox.claims())
        assert (said(settled), claim["deliveries"]) == ("done", [])
    else:
        claim, settled = meet(outbox.claims(), outbox.settles(old, "retry"))
        assert (len(claim["deliveries"]), said(settled)) == (1, "duplicate")


@both_orders
def test_a_lost_message_that_turns_up_is_not_sent_again(cast: Cast, swapped: bool) -> None:
    outbox = Outbox(cast)
    delivery = outbox.claimed()
    outbox.hasten()
    status = outbox.tells("sent", callback=delivery["callback"])
    if swapped:
        claim, told = meet(outbox.claims(), status)
        assert (len(claim["deliveries"]), told["status"]) == (1, "sent")
    else:
        told, claim = pass_by(status, outbox.claims())
        assert (told["status"], claim["deliveries"]) == ("sent", [])
    assert outbox.claims().succeed()["deliveries"] == []


@both_orders
def test_failing_for_good_and_being_delivered_comes_to_delivered(cast: Cast, swapped: bool) -> None:
    outbox = Outbox(cast)
    delivery = outbox.claimed()
    meet(
        outbox.settles(delivery, "failed", error={"code": 1}),
        outbox.tells("delivered", callback=delivery["callback"]),
        swapped=swapped,
    )
    assert outbox.statuses() == ["delivered"]


@both_orders
def test_two_who_try_again_try_once(cast: Cast, swapped: bool) -> None:
    outbox = Outbox(cast)
    delivery = outbox.claimed()
    outbox.settles(delivery, "failed").succeed()

    def again(agent: Person) -> Step:
        return agent.step(
            "retry_delivery_atomic",
            conversation_id=delivery["conversation_id"],
            message_id=delivery["message_id"],
        )

    answers = meet(again(outbox.ann), again(outbox.ann.device()), swapped=swapped)
    assert sorted(said(answer) for answer in answers) == ["done", "duplicate"]
    assert len(outbox.claims().succeed()["deliveries"]) == 1


@both_orders
def test_an_answer_finds_its_message_though_contacts_became_one(cast: Cast, swapped: bool) -> None:
    outbox = Outbox(cast, contacts=2)
    delivery = outbox.claimed()
    number = outbox.owner.connection.execute(
        "select value from chat.contact_identities where contact_id = %s", [outbox.contacts[0]]
    ).fetchone()
    assert number
    merging = outbox.ann.step(
        "link_contact_atomic", contact_id=outbox.contacts[1], kind="phone", value=number[0]
    )
    settling = outbox.settles(delivery, "sent", provider_message_id="out")
    merged, settled = meet(merging, settling, swapped=swapped)
    assert merged["merged"] is True
    assert settled["changed"] is True
    assert outbox.tells("read").succeed()["status"] == "read"
    assert outbox.statuses() == ["read"]


@both_orders
def test_an_answer_is_given_before_the_conversation_closes_or_refused(
    cast: Cast, swapped: bool
) -> None:
    outbox = Outbox(cast)
    thread = outbox.threads[0]
    sending, closing = meet(
        outbox.ann.sends(thread), outbox.ann.device().closes(thread), swapped=swapped
    )
    assert said(sending) == ("conversation_closed" if swapped else "done")
    assert said(closing) == "done"
    assert len(outbox.statuses()) == (0 if swapped else 1)


@both_orders
@pytest.mark.parametrize("has_answered", [False, True])
def test_an_agent_answers_before_being_deactivated_or_not_at_all(
    cast: Cast, swapped: bool, has_answered: bool
) -> None:
    outbox = Outbox(cast)
    thread = outbox.threads[0]
    if has_answered:
        outbox.ann.sends(thread).succeed()
    sending, retiring = meet(
        outbox.ann.sends(thread, "bye"), cast.deactivates(outbox.ann), swapped=swapped
    )
    assert (said(sending), said(retiring)) == ("permission_denied" if swapped else "done", "done")


def test_the_same_answer_at_once_is_one(cast: Cast) -> None:
    outbox = Outbox(cast)
    steps = [outbox.ann.device().sends(outbox.threads[0], "once", "k") for _ in range(6)]
    answers = at_once([step.run for step in steps])
    assert sorted(said(one) for one in answers) == ["done", *["duplicate"] * 5]
    assert len(outbox.statuses()) == 1
