"""Webhooks beside each other and the desk: nothing doubles, gets lost, or waits in a circle."""

import random
import uuid
from typing import Any

from tests.race.steps import Cast, Step, both_orders, meet
from tests.support import Json, at_once

ROUNDS = 12


class Phone:
    """Our end of a network that nobody knew before, and what comes over it."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.address = uuid.uuid4().hex
        self.agent = cast.people("ann")[0]

    def brings(self, *events: Json) -> Step:
        """Name a call with a webhook for each event."""
        return self.cast.operation(
            "receive_webhooks_atomic",
            webhooks=[
                {"provider": "whatsapp", "payload": uuid.uuid4().hex, "events": [event]}
                for event in events
            ],
        )

    def event(self, kind: str, contact: Json, **more: Any) -> Json:
        return {
            "kind": kind,
            "address": self.address,
            "contact": contact,
            "by": "contact",
            "at": "2026-03-01T12:00:00Z",
            "type": "text",
            "content": "hello",
            "metadata": {},
            **more,
        }

    def says(self, contact: Json, name: str = "", **more: Any) -> Json:
        return self.event("message", contact, id=name or uuid.uuid4().hex, **more)

    def threads(self, said: int | None = None) -> list[str]:
        """Return its conversations, or those in which so much was said."""
        return self.cast.rows(
            "select c.conversation_id::text from chat.threads t"
            " join chat.conversations c using (conversation_id)"
            " join chat.channels k using (channel_id)"
            " where k.address = %s and c.message_count = coalesce(%s, c.message_count)",
            self.address,
            said,
        )

    def has(self, *said: int) -> None:
        """Check how much was said in its conversations."""
        assert [len(self.threads(count)) for count in {*said}] == [
            said.count(count) for count in {*said}
        ]
        assert len(self.threads()) == len(said)


def person() -> Json:
    """Somebody nobody knows."""
    number = f"4915{random.randrange(10**9):09}"
    return {"phone": f"+{number}", "wa_id": number, "bsuid": f"DE.{number}"}


def counted(answer: Json) -> list[tuple[int, int]]:
    """Return events and duplicates of each webhook; all must have been taken in."""
    assert all(result["success"] for result in answer["results"]), answer
    return [(result["events"], result["duplicates"]) for result in answer["results"]]


def test_fifty_webhooks_of_one_unknown_contact_make_one_contact_and_one_conversation(
    cast: Cast,
) -> None:
    phone, eve = Phone(cast), person()
    subsets = [eve, {"bsuid": eve["bsuid"]}, {"phone": eve["phone"], "wa_id": eve["wa_id"]}]
    names = [uuid.uuid4().hex for _ in range(25)]
    steps = [
        phone.brings(phone.says(random.choice(subsets) if number else eve, name))
        for name in names
        for number in range(2)
    ]
    answers = at_once([step.succeed for step in steps])
    assert sorted(pair for answer in answers for pair in counted(answer)) == sorted(
        [(1, 0), (1, 1)] * 25
    )
    phone.has(25)


@both_orders
def test_repetition_beside_its_first_is_a_duplicate(cast: Cast, swapped: bool) -> None:
    phone, eve = Phone(cast), person()
    message = phone.says(eve)
    one, other = meet(phone.brings(message), phone.brings(message), swapped=swapped)
    first, second = (other, one) if swapped else (one, other)
    assert (counted(first), counted(second)) == ([(1, 0)], [(1, 1)])
    phone.has(1)


@both_orders
def test_same_payload_beside_its_first_is_taken_in_once(cast: Cast, swapped: bool) -> None:
    phone, eve = Phone(cast), person()
    webhook = {"provider": "whatsapp", "payload": uuid.uuid4().hex, "events": [phone.says(eve)]}
    steps = [cast.operation("receive_webhooks_atomic", webhooks=[webhook]) for _ in range(2)]
    one, other = meet(*steps, swapped=swapped)
    first, second = (other, one) if swapped else (one, other)
    assert "duplicate" not in first["results"][0]
    assert second["results"][0]["duplicate"] is True


@both_orders
def test_two_first_messages_by_different_identities_beside_one_that_tells_both(
    cast: Cast, swapped: bool
) -> None:
    phone, eve = Phone(cast), person()
    half = {"bsuid": eve["bsuid"]}
    meet(phone.brings(phone.says(half)), phone.brings(phone.says(eve)), swapped=swapped)
    phone.has(2)


@both_orders
def test_reaction_beside_its_message_finds_it(cast: Cast, swapped: bool) -> None:
    """However little their events tell of who it was, they meet at the message's name."""
    phone, eve = Phone(cast), person()
    message = phone.says({"phone": eve["phone"]}, "wamid." + uuid.uuid4().hex)
    reaction = phone.event("reaction", {"bsuid": eve["bsuid"]}, target=message["id"], emoji="👍")
    meet(phone.brings(message), phone.brings(reaction), swapped=swapped)
    (thread,) = phone.threads()
    assert cast.rows("select emoji from chat.reactions where conversation_id = %s", thread) == [
        "👍"
    ]


@both_orders
def test_status_beside_the_answer_that_tells_its_id_is_not_lost(cast: Cast, swapped: bool) -> None:
    phone, eve = Phone(cast), person()
    phone.brings(phone.says(eve, at="2999-01-01T00:00:00Z")).succeed()
    (thread,) = phone.threads()
    message = phone.agent.sends(thread, "we are open").succeed()["message"]
    lease = uuid.uuid4()
    cast.rows(
        "update chat.deliveries set lease = %s, attempts = 1, attempted_at = now()"
        " where conversation_id = %s returning 1",
        lease,
        thread,
    )
    name = uuid.uuid4().hex
    settle = cast.operation(
        "settle_delivery_atomic",
        conversation_id=thread,
        message_id=message["id"],
        lease=str(lease),
        outcome="sent",
        provider_message_id=name,
    )
    status = phone.event("status", eve, target=name, status="delivered")
    meet(settle, phone.brings(status), swapped=swapped)
    assert cast.rows("select status from chat.deliveries where conversation_id = %s", thread) == [
        "delivered"
    ]


def test_overlapping_batches_in_opposite_order_do_not_deadlock(cast: Cast) -> None:
    phone = Phone(cast)
    people = [person() for _ in range(6)]
    for _ in range(ROUNDS):
        messages = [phone.says(one) for one in people for _ in range(3)]
        batches = [
            phone.brings(*messages),
            phone.brings(*reversed(messages)),
            phone.brings(*random.sample(messages, len(messages))),
        ]
        answers = at_once([batch.succeed for batch in batches])
        duplicates = sum(pair[1] for answer in answers for pair in counted(answer))
        assert duplicates == 2 * len(messages)
    phone.has(*[3 * ROUNDS] * len(people))


def test_contacts_that_turn_out_to_be_one_beside_answers_of_the_desk_do_not_deadlock(
    cast: Cast,
) -> None:
    phone = Phone(cast)
    for _ in range(ROUNDS):
        eve = person()
        for half in ({"phone": eve["phone"]}, {"bsuid": eve["bsuid"]}):
            phone.brings(phone.says(half, at="2999-01-01T00:00:00Z")).succeed()
        threads = phone.threads(1)
        for thread in threads:
            phone.agent.sends(thread, "yes?").succeed()
        late = "2999-01-01T00:00:00Z"
        at_once(
            [
                phone.brings(phone.says(eve, at=late), phone.says(eve, at=late)).succeed,
                *(phone.agent.device().sends(thread, "hello?").succeed for thread in threads),
            ]
        )
    phone.has(*[4] * ROUNDS)
