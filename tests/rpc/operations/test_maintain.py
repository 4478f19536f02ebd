"""api.maintain."""

import pytest

from tests.rpc.assistant.runs import ask, claim, lose_worker, new_thread, run_row
from tests.rpc.behind import rows, set_limit, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, succeed

SEEN_ALL = "1000000000000:1000000000000:"
SEEN_NOTHING = "1:1:"


def maintain(db: Connection) -> Json:
    """Maintain; whoever does it meanwhile lets us go on."""
    result = succeed(db, "maintain")
    assert set(result) == {
        "success",
        "listeners_removed",
        "outbox_trimmed",
        "outbox_left",
        "webhooks_trimmed",
        "parked_trimmed",
        "runs_ended",
    }
    return result


def events(db: Connection) -> int:
    """Count what is in the outbox."""
    count: int = value(db, "select count(*) from chat.outbox")
    return count


def listeners(db: Connection, *snapshots: str | None) -> None:
    """Let there be these listeners and no others, by what each has confirmed."""
    rows(db, "delete from chat.listeners")
    for snapshot in snapshots:
        rows(
            db,
            "insert into chat.listeners (backend_pid, snapshot)"
            " values (pg_backend_pid(), %s::pg_snapshot)",
            snapshot,
        )


def test_with_nobody_listening_everything_is_trimmed(db: Connection, world: World) -> None:
    listeners(db)
    count = events(db)
    assert count > 0
    result = maintain(db)
    assert (result["outbox_trimmed"], result["outbox_left"], events(db)) == (count, 0, 0)


def test_what_every_listener_has_confirmed_is_trimmed(db: Connection, world: World) -> None:
    listeners(db, SEEN_ALL, SEEN_ALL)
    maintain(db)
    assert events(db) == 0


@pytest.mark.parametrize("behind", [SEEN_NOTHING, None], ids=["behind", "just attached"])
def test_what_one_listener_has_not_confirmed_is_kept(
    db: Connection, world: World, behind: str | None
) -> None:
    listeners(db, SEEN_ALL, behind)
    count = events(db)
    result = maintain(db)
    assert (result["outbox_trimmed"], result["outbox_left"], events(db)) == (0, count, count)


def test_a_transaction_one_listener_saw_running_is_kept_and_later_ones_it_saw_are_not(
    db: Connection, world: World
) -> None:
    rows(db, "delete from chat.outbox")
    for xid in ("100", "101", "102"):
        rows(db, "insert into chat.outbox (xid, event) values (%s::xid8, '{}')", xid)
    listeners(db, "100:102:100")
    maintain(db)
    kept = rows(db, "select xid::text from chat.outbox order by xid")
    assert kept == [("100",), ("102",)]


def test_age_alone_trims_nothing(db: Connection, world: World) -> None:
    listeners(db, SEEN_NOTHING)
    rows(db, "update chat.outbox set created_at = created_at - interval '1 day'")
    assert maintain(db)["outbox_trimmed"] == 0


def test_what_was_restored_from_another_server_is_trimmed(db: Connection, world: World) -> None:
    rows(db, "delete from chat.outbox")
    for ahead in (-1, 1_000_000):
        rows(
            db,
            "insert into chat.outbox (xid, event)"
            " values ((pg_current_xact_id()::text::bigint + %s)::text::xid8, '{}')",
            ahead,
        )
    listeners(db, SEEN_NOTHING)
    result = maintain(db)
    assert (result["outbox_trimmed"], result["outbox_left"]) == (1, 1)


def test_listeners_whose_session_is_gone_are_forgotten_and_hold_nothing_back(
    db: Connection, world: World
) -> None:
    listeners(db, SEEN_ALL)
    rows(db, "insert into chat.listeners (backend_pid, snapshot) values (1, %s)", SEEN_NOTHING)
    result = maintain(db)
    assert (result["listeners_removed"], result["outbox_left"]) == (1, 0)
    assert rows(db, "select backend_pid = pg_backend_pid() from chat.listeners") == [(True,)]


@pytest.mark.parametrize(("retention", "removed"), [("10 minutes", 1), ("20 minutes", 0)])
def test_listeners_that_have_not_looked_for_the_retention_are_forgotten(
    db: Connection, world: World, retention: str, removed: int
) -> None:
    listeners(db, SEEN_NOTHING)
    rows(db, "update chat.limits set outbox_retention = %s::interval", retention)
    rows(db, "update chat.listeners set fetched_at = clock_timestamp() - interval '11 minutes'")
    result = maintain(db)
    assert result["listeners_removed"] == removed
    assert (result["outbox_left"] == 0) == bool(removed)


def test_it_may_be_called_any_number_of_times(db: Connection) -> None:
    for _ in range(3):
        succeed(db, "maintain")


def test_what_providers_sent_is_kept_for_as_long_as_the_limits_say(
    db: Connection, world: World
) -> None:
    for name, age in (("old", "31 days"), ("young", "29 days")):
        rows(
            db,
            "insert into chat.webhooks (digest, provider, payload, received_at)"
            " values (%s, 'whatsapp', '{}', now() - %s::interval)",
            name.encode(),
            age,
        )
        rows(
            db,
            "insert into chat.parked_events"
            " (channel_id, provider_message_id, digest, event, parked_at)"
            " values (%s, %s, '', '{}', now() - %s::interval)",
            world.channel["channel_id"],
            name,
            age,
        )
    result = maintain(db)
    assert (result["webhooks_trimmed"], result["parked_trimmed"]) == (1, 1)
    assert rows(db, "select digest from chat.webhooks") == [(b"young",)]
    assert rows(db, "select provider_message_id from chat.parked_events") == [("young",)]


def test_runs_end_though_no_worker_asks_for_them(db: Connection, world: World) -> None:
    other = new_thread(db, world.ann)
    overdue, wanted = ask(db, world.talk, world.ann), ask(db, other, world.ann)
    rows(
        db,
        "update chat.runs set expires_at = clock_timestamp() where run_id = %s",
        overdue["run_id"],
    )
    assert maintain(db)["runs_ended"] == 1
    assert run_row(db, overdue["run_id"])["status"] == "expired"
    assert run_row(db, wanted["run_id"])["status"] == "queued"
    assert maintain(db)["runs_ended"] == 0


def test_runs_that_a_worker_may_still_answer_are_left_to_it(db: Connection, world: World) -> None:
    set_limit(db, "run_attempts", 1)
    ask(db, world.talk, world.ann)
    run = claim(db)
    assert maintain(db)["runs_ended"] == 0
    lose_worker(db)
    assert maintain(db)["runs_ended"] == 1
    assert run_row(db, run["id"])["error"]["code"] == "worker_lost"
