"""api.maintain."""

from tests.rpc.behind import rows, value
from tests.rpc.conftest import World
from tests.support import Connection, succeed


def test_old_events_are_trimmed_and_new_ones_kept(db: Connection, world: World) -> None:
    count = value(db, "select count(*) from chat.outbox")
    rows(
        db,
        "update chat.outbox set created_at = created_at - interval '11 minutes'"
        " where event ->> 'type' = 'message_created'",
    )
    result = succeed(db, "maintain")
    assert set(result) == {"success", "outbox_trimmed", "listeners_removed"}
    assert result["outbox_trimmed"] == 2
    assert value(db, "select count(*) from chat.outbox") == count - 2


def test_how_long_they_are_kept_is_a_setting(db: Connection, world: World) -> None:
    rows(db, "update chat.limits set outbox_retention = '20 minutes'")
    rows(db, "update chat.outbox set created_at = created_at - interval '11 minutes'")
    assert succeed(db, "maintain")["outbox_trimmed"] == 0


def test_listeners_that_are_gone_are_forgotten(db: Connection) -> None:
    rows(db, "insert into chat.listeners (backend_pid) values (pg_backend_pid()), (1)")
    assert succeed(db, "maintain")["listeners_removed"] == 1
    assert (
        value(db, "select count(*) from chat.listeners where backend_pid = pg_backend_pid()") == 1
    )


def test_it_may_be_called_any_number_of_times(db: Connection) -> None:
    for _ in range(3):
        succeed(db, "maintain")
