"""api.push_sleep."""

import pytest

from tests.listening import NOTHING, Listener
from tests.rpc.push.conftest import Scene
from tests.support import Connection, Racer, refuse, succeed


def test_with_nothing_to_do_it_sleeps(listener: Listener) -> None:
    result = listener.sleep()
    assert set(result) == {"success", "snapshot", *NOTHING, "asleep"}
    assert {name: result[name] for name in NOTHING} == NOTHING
    assert result["asleep"] is True
    assert listener.holds_lock()


def test_what_has_come_is_given_instead(scene: Scene, listener: Listener) -> None:
    scene.send("hello")
    result = listener.sleep()
    assert result["asleep"] is False
    assert listener.contents() == ["hello"]
    assert not listener.holds_lock()
    assert listener.sleep()["events"] == []


def test_more_than_the_backlog_keeps_it_awake(scene: Scene, listener: Listener) -> None:
    scene.tables.execute("update chat.limits set listener_backlog = 1")
    scene.send("one")
    scene.send("two")
    result = listener.sleep()
    assert (result["asleep"], result["missed"], result["events"]) == (False, True, [])
    assert not listener.holds_lock()


@pytest.mark.parametrize(("ending", "heard"), [("commit", ["in flight"]), ("rollback", [])])
def test_a_writer_in_flight_keeps_it_awake(
    scene: Scene, listener: Listener, writer: Racer, ending: str, heard: list[str]
) -> None:
    scene.send("in flight", writer.begin().connection)
    for _ in range(2):
        result = listener.sleep()
        assert (result["asleep"], result["events"]) == (False, [])
    assert not listener.holds_lock()
    writer.connection.execute(ending)
    listener.fetch()
    assert listener.contents() == heard
    listener.fall_asleep()


def test_a_transaction_older_than_the_listener_keeps_it_awake(scene: Scene, writer: Racer) -> None:
    writer.begin().connection.execute("select pg_current_xact_id()")
    listener = scene.listener()
    assert listener.sleep()["asleep"] is False
    assert not listener.holds_lock()
    writer.commit()
    assert listener.sleep()["asleep"] is True


def test_a_transaction_that_began_since_does_not(listener: Listener, writer: Racer) -> None:
    writer.begin().connection.execute("select pg_current_xact_id()")
    assert listener.sleep()["asleep"] is True
    writer.commit()


def test_sleeping_is_of_one_listener(scene: Scene, listener: Listener) -> None:
    other = scene.listener()
    listener.fall_asleep()
    assert listener.holds_lock()
    assert not other.holds_lock()


def test_the_end_of_the_session_ends_its_sleep(scene: Scene, listener: Listener) -> None:
    listener.fall_asleep()
    scene.tables.execute("select pg_terminate_backend(%s, 10000)", [listener.pid])
    assert not listener.holds_lock()


def test_asleep_again_is_asleep_once(scene: Scene, listener: Listener) -> None:
    for _ in range(3):
        listener.fall_asleep()
    listener.wake()
    assert not listener.holds_lock()


def test_what_comes_while_it_sleeps_wakes_it_when_it_asks_to_sleep_on(
    scene: Scene, listener: Listener
) -> None:
    for _ in range(2):
        listener.fall_asleep()
    scene.send("hello")
    assert listener.sleep()["asleep"] is False
    assert not listener.holds_lock()


def test_before_its_first_look_it_cannot_sleep(scene: Scene, listener: Listener) -> None:
    db, snapshot = listener.connection, listener.snapshot
    listener.id = succeed(db, "push_attach")["listener_id"]
    refuse(db, "validation_error", "push_sleep", listener_id=listener.id, snapshot=snapshot)
    assert not listener.holds_lock()


@pytest.mark.parametrize("missing", ["listener_id", "snapshot"])
def test_nothing_may_be_missing(listener: Listener, missing: str) -> None:
    arguments = {"listener_id": listener.id, "snapshot": listener.snapshot, missing: None}
    result = refuse(listener.connection, "validation_error", "push_sleep", **arguments)
    assert result["details"] == {"field": missing}
    listener.fall_asleep()


def test_who_never_attached_is_not_found(db: Connection) -> None:
    refuse(db, "not_found", "push_sleep", listener_id=-1, snapshot="1:1:")


def test_another_sessions_listener_is_not_found(scene: Scene, listener: Listener) -> None:
    arguments = {"listener_id": listener.id, "snapshot": listener.snapshot}
    refuse(scene.listener().connection, "not_found", "push_sleep", **arguments)
    assert not listener.holds_lock()
