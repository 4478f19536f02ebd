"""api.record_delivery_status_atomic: the ladder of a message that went out."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.rpc.behind import events, rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.rpc.inbox.deliveries import claim_offer, delivery, hasten, settle, settle_offer, tell
from tests.support import Connection, Json, refuse, succeed

LADDER = ["queued", "sent", "failed", "delivered", "read", "played"]
TIMES = {word: f"2026-01-02T03:04:0{place}+00:00" for place, word in enumerate(LADDER[1:], start=1)}
SETTLED = "settled"  # our own call's answer, among the statuses
KEPT = ["status", *(f"{word}_at" for word in LADDER[1:]), "error"]


def happen(db: Connection, world: World, claimed: Json, what: str) -> None:
    """Let one thing be told."""
    if what == SETTLED:
        settle(db, claimed, "sent", provider_message_id="out.1")
        return
    more = {"error": {"code": 131026}} if what == "failed" else {}
    tell(db, world, "out.1", what, occurred_at=TIMES[what], **more)


def standing(db: Connection, world: World) -> Json:
    """Return what is known of the message."""
    row = delivery(db, world.offer["id"])
    return {name: row[name] for name in KEPT}


def expected(told: set[str]) -> Json:
    """Return what should be known once all this was told."""
    words = [word for word in LADDER if word in told or word == "sent"]
    times = {f"{word}_at": TIMES[word] if word in told else None for word in LADDER[1:]}
    error = {"code": 131026} if "failed" in told else None
    return {"status": words[-1], **times, "error": error}


@pytest.mark.parametrize("told", [*permutations(["sent", "delivered", "read", "failed", SETTLED])])
def test_any_order_comes_to_the_same(db: Connection, world: World, told: tuple[str, ...]) -> None:
    claimed = claim_offer(db)
    for what in told:
        happen(db, world, claimed, what)
    assert standing(db, world) == expected(set(told))
    assert rows(db, "select 1 from chat.parked_events") == []


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    told=st.lists(st.sampled_from([*LADDER[1:], SETTLED]), max_size=12),
    by_callback=st.booleans(),
)
def test_any_repetition_comes_to_the_same(
    db: Connection, world: World, told: list[str], by_callback: bool
) -> None:
    with db.transaction(force_rollback=True):
        claimed = claim_offer(db)
        statuses = ["queued"]
        for what in told:
            if what == SETTLED or not by_callback:
                happen(db, world, claimed, what)
            else:
                more = {"error": {"code": 131026}} if what == "failed" else {}
                tell(
                    db,
                    world,
                    "out.1",
                    what,
                    occurred_at=TIMES[what],
                    callback=claimed["callback"],
                    **more,
                )
            statuses.append(delivery(db, world.offer["id"])["status"])
        happen(db, world, claimed, SETTLED)
        known = standing(db, world)
        if "sent" not in told:
            assert known["sent_at"]
            known["sent_at"] = None
        assert known == expected(set(told))
        places = [LADDER.index(status) for status in statuses]
        assert places == sorted(places)


def test_times_are_the_earliest_told(db: Connection, world: World) -> None:
    settle_offer(db)
    for second in (30, 10, 20):
        tell(db, world, "out.offer", "read", occurred_at=f"2026-01-01T00:00:{second}Z")
    assert delivery(db, world.offer["id"])["read_at"] == "2026-01-01T00:00:10+00:00"


def test_the_error_is_that_of_the_first_failure(db: Connection, world: World) -> None:
    settle_offer(db)
    for second, code in ((30, 3), (10, 1), (20, 2)):
        occurred_at = f"2026-01-01T00:00:{second}Z"
        tell(db, world, "out.offer", "failed", occurred_at=occurred_at, error={"code": code})
    assert delivery(db, world.offer["id"])["error"] == {"code": 1}


def test_the_desk_is_told_when_the_status_moves(db: Connection, world: World) -> None:
    settle_offer(db)
    before = len(events(db, world.thread))
    for status in ("delivered", "sent", "delivered", "read", "failed"):
        tell(db, world, "out.offer", status)
    told = events(db, world.thread)[before:]
    assert [event["status"] for event in told] == ["delivered", "read"]
    assert {event["type"] for event in told} == {"delivery"}


def test_what_comes_before_the_message_waits(db: Connection, world: World) -> None:
    result = tell(db, world, "out.1", "delivered")
    assert (result["parked"], result["changed"], result["status"]) == (True, False, None)


def test_the_callback_settles_a_lost_answer(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    tell(db, world, "out.1", "delivered")
    result = tell(db, world, "out.1", "sent", callback=claimed["callback"])
    assert (result["status"], result["changed"]) == ("delivered", False)
    hasten(db)
    assert rows(db, "select 1 from chat.parked_events") == []
    assert tell(db, world, "out.1", "read")["changed"] is True


@pytest.mark.parametrize("callback", ["", "x", f"{NOBODY}/{NOBODY}", f"{NOBODY}/x", "../.."])
def test_a_callback_that_is_not_ours_is_passed_over(
    db: Connection, world: World, callback: str
) -> None:
    assert tell(db, world, "out.1", "sent", callback=callback)["parked"] is True


def test_a_callback_reaches_only_its_own_channel(db: Connection, world: World) -> None:
    claimed = claim_offer(db)
    rows(
        db,
        "insert into chat.channels"
        " (channel_id, tenant_id, provider, address, display_name, user_id)"
        " select gen_random_uuid(), tenant_id, provider, '1002', 'Other', user_id"
        "   from chat.channels",
    )
    other = replace(world, channel={**world.channel, "address": "1002"})
    assert tell(db, other, "out.1", "sent", callback=claimed["callback"])["parked"] is True
    assert delivery(db, world.offer["id"])["status"] == "queued"


def test_a_message_that_is_purged_is_passed_over(db: Connection, world: World) -> None:
    settle_offer(db)
    for table in ("messages", "conversations"):
        rows(db, f"update chat.{table} set created_at = created_at - interval '2 years'")
    purged = succeed(db, "purge_messages_atomic", before="2026-01-01", conversation_id=world.thread)
    assert purged["affected_count"] == 2
    result = tell(db, world, "out.offer", "read")
    assert (result["status"], result["changed"], "parked" in result) == (None, False, False)


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ({"provider": None}, "provider"),
        ({"address": None}, "address"),
        ({"provider_message_id": None}, "provider_message_id"),
        ({"provider_message_id": ""}, "provider_message_id"),
        ({"provider_message_id": "i" * 1001}, "provider_message_id"),
        ({"status": None}, "status"),
        ({"status": "queued"}, "status"),
        ({"status": "deleted"}, "status"),
        ({"error": Jsonb([])}, "error"),
    ],
)
def test_arguments_are_checked(db: Connection, world: World, given_: Json, field: str) -> None:
    arguments = {
        "provider": "whatsapp",
        "address": "1001",
        "provider_message_id": "out.1",
        "status": "sent",
        **given_,
    }
    result = refuse(db, "validation_error", "record_delivery_status_atomic", **arguments)
    assert result["details"] == {"field": field}


def test_a_channel_nobody_knows_is_not_found(db: Connection, world: World) -> None:
    refuse(
        db,
        "not_found",
        "record_delivery_status_atomic",
        provider="whatsapp",
        address="none",
        provider_message_id="out.1",
        status="sent",
    )
