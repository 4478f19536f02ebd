"""api.claim_deliveries."""

import uuid

import pytest

from tests.rpc.behind import events, rows, set_limit
from tests.rpc.conftest import World
from tests.rpc.inbox.deliveries import (
    answer,
    claim,
    claim_offer,
    close_window,
    delivery,
    hasten,
    settle,
    settle_offer,
)
from tests.support import Connection, Json, receive, refuse, send, succeed


def test_a_worker_gets_all_it_needs(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    assert str(uuid.UUID(claimed["lease"])) == claimed.pop("lease")
    assert claimed == {
        "conversation_id": world.thread,
        "message_id": world.offer["id"],
        "callback": f"{world.thread}/{world.offer['id']}",
        "attempts": 1,
        "type": "template",
        "content": "20 % off",
        "metadata": {"template": {"name": "offer"}},
        "reply_to": None,
        "channel": {name: world.channel[name] for name in ("channel_id", "provider", "address")},
        "contact": {"phone": "+491701234567"},
    }


def test_what_is_claimed_is_not_given_to_another(db: Connection, world: World) -> None:
    claim_offer(db)
    result = succeed(db, "claim_deliveries", worker="two")
    assert (result["deliveries"], result["failed"]) == ([], 0)
    assert 100 < result["wait_seconds"] <= 120 == result["lease_seconds"]


def test_a_lease_that_has_ended_is_given_away(db: Connection, world: World) -> None:
    first = claim_offer(db)
    hasten(db)
    second = claim_offer(db)
    assert second["attempts"] == 2
    assert second["lease"] != first["lease"]


def test_what_may_have_gone_out_waits_until_its_status_could_have_come(
    db: Connection, world: World
) -> None:
    claim_offer(db)
    hasten(db)
    result = succeed(db, "claim_deliveries", worker="two", up_for="1 minute")
    assert (result["deliveries"], result["wait_seconds"]) == ([], 60)
    (claimed,) = claim(db, up_for="2 minutes")
    assert claimed["message_id"] == world.offer["id"]


def test_what_was_never_sent_does_not_wait_for_a_worker_to_be_up(
    db: Connection, world: World
) -> None:
    (claimed,) = claim(db, up_for="0 seconds")
    settle(db, claimed, "retry")
    hasten(db)
    assert len(claim(db, up_for="0 seconds")) == 1


def test_a_lease_is_as_long_as_asked(db: Connection, world: World) -> None:
    result = succeed(db, "claim_deliveries", worker="one", lease="7 seconds")
    assert (result["lease_seconds"], len(result["deliveries"])) == (7, 1)
    assert succeed(db, "claim_deliveries", worker="one")["wait_seconds"] <= 7


def test_nothing_waits(db: Connection, world: World) -> None:
    settle_offer(db)
    assert succeed(db, "claim_deliveries", worker="one")["wait_seconds"] is None


def test_messages_of_a_conversation_go_out_in_order(db: Connection, world: World) -> None:
    said = [world.offer, answer(db, world, "one"), answer(db, world, "two")]
    for message in said:
        (claimed,) = claim(db)
        assert claimed["message_id"] == message["id"]
        assert claim(db) == []
        settle(db, claimed, "sent", provider_message_id=f"out.{message['seq']}")
    assert claim(db) == []


def test_what_waits_for_another_try_holds_back_what_follows(db: Connection, world: World) -> None:
    answer(db, world)
    settle(db, claim_offer(db), "retry")
    assert claim(db) == []


def test_conversations_do_not_wait_for_each_other(db: Connection, world: World) -> None:
    other = receive(db, world.channel, "hi", "+4930123456")["conversation_id"]
    message = send(db, other, world.ann, "hello")
    assert {one["message_id"] for one in claim(db)} == {world.offer["id"], message["id"]}


def test_no_more_are_given_than_wanted(db: Connection, world: World) -> None:
    for number in range(3):
        other = receive(db, world.channel, "hi", f"+49301234{number}")["conversation_id"]
        send(db, other, world.ann, "hello")
    assert [len(claim(db, limit=2)) for _ in range(3)] == [2, 2, 0]


@pytest.mark.parametrize(
    ("providers", "count"), [(["whatsapp"], 1), (["twilio"], 0), ([], 0), (["x", "whatsapp"], 1)]
)
def test_only_what_a_worker_can_carry_is_given(
    db: Connection, world: World, providers: list[str], count: int
) -> None:
    assert len(claim(db, providers=providers)) == count


def test_an_answer_names_the_message_as_the_provider_does(db: Connection, world: World) -> None:
    settle_offer(db)
    answer(db, world, reply_to_id=world.question["id"])
    (claimed,) = claim(db)
    assert claimed["reply_to"].startswith("wamid.")
    settle(db, claimed, "sent", provider_message_id="out.2")
    answer(db, world, "again", reply_to_id=claimed["message_id"])
    assert claim(db)[0]["reply_to"] == "out.2"


def test_the_newest_of_what_leads_to_the_contact_is_told(db: Connection, world: World) -> None:
    receive(db, world.channel, "me", {"phone": "+491701234567", "wa_id": "1", "bsuid": "DE.1"})
    rows(
        db,
        "insert into chat.contact_identities (tenant_id, kind, value, contact_id, learned_at)"
        " values (%s, 'wa_id', '2', %s, now() + interval '1 hour'),"
        "        (%s, 'bsuid', 'DE.0', %s, now() - interval '1 hour')",
        *[world.tenant_id, world.contact] * 2,
    )
    assert claim_offer(db)["contact"] == {"phone": "+491701234567", "wa_id": "2", "bsuid": "DE.1"}


def check_failure(db: Connection, world: World, code: str, message: Json) -> Json:
    """Check that a message cannot go out any more and that the desk is told."""
    result = succeed(db, "claim_deliveries", worker="one")
    assert (result["deliveries"], result["failed"]) == ([], 1)
    row = delivery(db, message["id"])
    assert (row["status"], row["error"]["code"]) == ("failed", code)
    assert row["failed_at"]
    assert events(db, world.thread)[-1] == {
        "type": "delivery",
        "conversation_id": world.thread,
        "message_id": message["id"],
        "status": "failed",
        "error": row["error"],
    }
    return row


def test_what_may_not_be_said_any_more_has_failed(db: Connection, world: World) -> None:
    settle_offer(db)
    message = answer(db, world)
    close_window(db)
    check_failure(db, world, "window_closed", message)


def test_a_template_goes_out_all_the_same(db: Connection, world: World) -> None:
    close_window(db)
    assert len(claim(db)) == 1


def test_what_was_tried_often_enough_has_failed(db: Connection, world: World) -> None:
    set_limit(db, "delivery_attempts", 2)
    for _ in range(2):
        settle(db, claim_offer(db), "unknown", error={"code": "no_answer"})
        hasten(db)
    row = check_failure(db, world, "attempts_exhausted", world.offer)
    assert row["error"]["last"] == {"code": "no_answer"}


def test_who_cannot_be_reached_is_not_tried(db: Connection, world: World) -> None:
    rows(db, "update chat.contact_identities set retired_at = now()")
    check_failure(db, world, "no_address", world.offer)
    rows(db, "update chat.contact_identities set retired_at = null")


def test_a_service_must_claim(db: Connection, world: World) -> None:
    assert refuse(db, "validation_error", "claim_deliveries", worker=None)["details"] == {
        "field": "worker"
    }


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"worker": " "}, "validation_error", "worker"),
        ({"worker": "x" * 201}, "too_large", "worker"),
        ({"limit": 0}, "validation_error", "limit"),
        ({"limit": 101}, "validation_error", "limit"),
        ({"limit": None}, "validation_error", "limit"),
        ({"lease": "0 seconds"}, "validation_error", "lease"),
        ({"lease": "-1 seconds"}, "validation_error", "lease"),
    ],
)
def test_arguments_are_checked(
    db: Connection, world: World, given: Json, code: str, field: str
) -> None:
    result = refuse(db, code, "claim_deliveries", **{"worker": "one", **given})
    assert result["details"]["field"] == field
