"""api.settle_delivery_atomic."""

import pytest

from tests.rpc.behind import events, rows, set_limit, value
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.rpc.inbox.deliveries import (
    answer,
    claim,
    claim_offer,
    delivery,
    hasten,
    settle,
    settle_offer,
    tell,
)
from tests.support import Connection, Json, receive, refuse, succeed


def test_what_was_sent_is_told_to_the_desk(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    result = settle(db, claimed, "sent", provider_message_id="out.1")
    assert (result["changed"], result["conversation_id"]) == (True, world.thread)
    assert result["delivery"]["status"] == "sent"
    assert result["delivery"]["sent_at"]
    assert result["delivery"]["error"] is None
    assert events(db, world.thread)[-1] == {
        "type": "delivery",
        "conversation_id": world.thread,
        "message_id": world.offer["id"],
        "status": "sent",
    }
    known = rows(
        db,
        "select message_id::text from chat.provider_messages where provider_message_id = 'out.1'",
    )
    assert known == [(world.offer["id"],)]


def test_the_same_again_changes_nothing(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    first = settle(db, claimed, "sent", provider_message_id="out.1")
    again = settle(db, claimed, "sent", provider_message_id="out.1")
    assert again == {**first, "changed": False, "duplicate": True}


def test_sent_counts_though_the_lease_was_given_away(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    hasten(db)
    claim_offer(db)
    assert settle(db, claimed, "sent", provider_message_id="out.1")["changed"] is True


@pytest.mark.parametrize("outcome", ["retry", "failed", "unknown"])
def test_nothing_else_counts_from_who_holds_it_no_more(
    db: Connection, world: World, outcome: str
) -> None:
    old = claim_offer(db)
    hasten(db)
    claim_offer(db)
    before = delivery(db, world.offer["id"])
    assert settle(db, old, outcome, error={"code": 1})["duplicate"] is True
    assert delivery(db, world.offer["id"]) == before


@pytest.mark.parametrize("outcome", ["retry", "failed", "unknown"])
def test_nothing_else_counts_once_it_was_sent(db: Connection, world: World, outcome: str) -> None:
    claimed = settle_offer(db)
    before = delivery(db, world.offer["id"])
    assert settle(db, claimed, outcome, error={"code": 1})["duplicate"] is True
    assert delivery(db, world.offer["id"]) == before


def test_a_failure_is_for_good(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    result = settle(db, claimed, "failed", error={"code": 131026})
    assert result["delivery"]["status"] == "failed"
    assert result["delivery"]["error"] == {"code": 131026}
    assert settle(db, claimed, "failed", error={"code": 1})["duplicate"] is True
    hasten(db)
    assert claim(db) == []


@pytest.mark.parametrize(
    ("attempts", "least", "most"), [(1, 3.75, 6.25), (4, 30, 50), (9, 675, 1125)]
)
def test_each_try_waits_longer(
    db: Connection, world: World, attempts: int, least: float, most: float
) -> None:
    rows(db, "update chat.deliveries set attempts = %s", attempts - 1)
    settle(db, claim_offer(db), "retry", error={"code": 130429})
    row = delivery(db, world.offer["id"])
    assert (row["status"], row["error"], row["lease"]) == ("queued", {"code": 130429}, None)
    waits = value(db, "select extract(epoch from due_at - clock_timestamp()) from chat.deliveries")
    assert least - 1 < waits <= most


@pytest.mark.parametrize(("asked", "least"), [("1 second", 3.5), ("10 minutes", 599)])
def test_a_provider_may_ask_for_more(
    db: Connection, world: World, asked: str, least: float
) -> None:
    settle(db, claim_offer(db), "retry", retry_after=asked)
    waits = value(db, "select extract(epoch from due_at - clock_timestamp()) from chat.deliveries")
    assert least < waits


def test_giving_it_back_twice_waits_once(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    settle(db, claimed, "retry")
    before = delivery(db, world.offer["id"])
    assert settle(db, claimed, "retry")["duplicate"] is True
    assert delivery(db, world.offer["id"]) == before


def test_the_last_try_that_fails_is_the_end(db: Connection, world: World) -> None:
    set_limit(db, "delivery_attempts", 1)
    result = settle(db, claim_offer(db), "retry", error={"code": 4})
    assert result["delivery"]["status"] == "failed"
    error = result["delivery"]["error"]
    assert (error["code"], error["last"]) == ("attempts_exhausted", {"code": 4})


def test_what_is_unknown_stays_claimed(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    before = delivery(db, world.offer["id"])
    settle(db, claimed, "unknown", error={"code": "no_answer"})
    assert delivery(db, world.offer["id"]) == {**before, "error": {"code": "no_answer"}}
    assert claim(db) == []


def test_a_success_takes_the_errors_before_it_away(db: Connection, world: World) -> None:
    settle(db, claim_offer(db), "retry", error={"code": 4})
    hasten(db)
    result = settle(db, claim_offer(db), "sent", provider_message_id="out.1")
    assert result["delivery"]["error"] is None


def test_what_came_before_the_answer_is_applied(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    assert tell(db, world, "out.1", "read")["parked"] is True
    result = settle(db, claimed, "sent", provider_message_id="out.1")
    assert (result["delivery"]["status"], result["duplicate"]) == ("read", True)
    assert rows(db, "select 1 from chat.parked_events") == []


def test_what_the_provider_knows_of_the_contact_is_learned(db: Connection, world: World) -> None:
    settle(
        db,
        claim_offer(db),
        "sent",
        provider_message_id="out.1",
        identities={"wa_id": "491701234567", "bsuid": "DE.1"},
    )
    again = receive(db, world.channel, "me again", {"bsuid": "DE.1"})
    assert (again["conversation_id"], again["contact"]["id"]) == (world.thread, world.contact)


def test_what_is_anothers_stays_theirs(db: Connection, world: World) -> None:
    other = receive(db, world.channel, "hi", {"bsuid": "DE.1"})
    settle(db, claim_offer(db), "sent", provider_message_id="out.1", identities={"bsuid": "DE.1"})
    again = receive(db, world.channel, "hi", {"bsuid": "DE.1"})
    assert again["conversation_id"] == other["conversation_id"] != world.thread


def test_a_message_sent_twice_keeps_its_first_id(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    settle(db, claimed, "sent", provider_message_id="out.1")
    assert settle(db, claimed, "sent", provider_message_id="out.2")["duplicate"] is True
    assert tell(db, world, "out.2", "read", callback=claimed["callback"])["status"] == "read"


def test_a_merged_conversation_is_found_by_its_old_id(db: Connection, world: World) -> None:
    other = receive(db, world.channel, "hi", "+4930123456")
    claimed = claim_offer(db)
    linked = succeed(
        db,
        "link_contact_atomic",
        actor_id=world.ann,
        contact_id=other["contact"]["id"],
        kind="phone",
        value="+491701234567",
    )
    result = settle(db, claimed, "sent", provider_message_id="out.1")
    assert result["conversation_id"] == linked["conversation_id"]
    assert tell(db, world, "out.1", "delivered")["changed"] is True


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"conversation_id": None}, "conversation_id"),
        ({"message_id": None}, "message_id"),
        ({"lease": None}, "lease"),
        ({"outcome": None}, "outcome"),
        ({"outcome": "lost"}, "outcome"),
        ({"outcome": "sent"}, "provider_message_id"),
        ({"outcome": "sent", "provider_message_id": ""}, "provider_message_id"),
        ({"outcome": "sent", "provider_message_id": "i" * 1001}, "provider_message_id"),
        ({"error": [{}]}, "error"),
        ({"identities": {"email": "a@b.c"}}, "identities"),
        ({"identities": {"phone": "0170"}}, "identities"),
    ],
)
def test_arguments_are_checked(db: Connection, world: World, given: Json, field: str) -> None:
    arguments = {
        "conversation_id": world.thread,
        "message_id": world.offer["id"],
        "lease": NOBODY,
        "outcome": "retry",
        **given,
    }
    result = refuse(db, "validation_error", "settle_delivery_atomic", **arguments)
    assert result["details"] == {"field": field}


def test_what_does_not_go_out_is_not_found(db: Connection, world: World) -> None:
    for conversation_id, message_id in [
        (world.thread, world.question["id"]),
        (world.group, world.hello["id"]),
        (NOBODY, NOBODY),
    ]:
        refuse(
            db,
            "not_found",
            "settle_delivery_atomic",
            conversation_id=conversation_id,
            message_id=message_id,
            lease=NOBODY,
            outcome="sent",
            provider_message_id="out.1",
        )


def test_answers_of_others_are_left_alone(db: Connection, world: World) -> None:
    message = answer(db, world)
    before = delivery(db, message["id"])
    settle_offer(db)
    assert delivery(db, message["id"]) == before
