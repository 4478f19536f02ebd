"""api.push_wake."""

import pytest

from tests.listening import NOTHING, Listener
from tests.rpc.push.conftest import Scene
from tests.support import Connection, refuse, succeed


def test_it_gives_back_the_lock_and_tells_what_came(scene: Scene, listener: Listener) -> None:
    listener.fall_asleep()
    scene.send("hello")
    result = listener.wake()
    assert set(result) == {"success", "snapshot", *NOTHING}
    assert result["transactions"] == 1
    assert listener.contents() == ["hello"]
    assert not listener.holds_lock()


def test_nothing_may_have_come(listener: Listener) -> None:
    result = listener.fall_asleep().wake()
    assert {name: result[name] for name in NOTHING} == NOTHING


def test_once_awake_no_bell_is_rung_for_it(scene: Scene, listener: Listener) -> None:
    listener.fall_asleep()
    scene.send("rings")
    assert listener.rings() == 1
    listener.wake()
    scene.send("does not ring")
    assert listener.rings() == 0
    listener.fetch()
    assert listener.contents() == ["rings", "does not ring"]


def test_who_is_awake_may_wake_again(scene: Scene, listener: Listener) -> None:
    scene.send("hello")
    listener.wake()
    assert listener.contents() == ["hello"]


def test_who_was_forgotten_asleep_is_awake_and_not_found(scene: Scene, listener: Listener) -> None:
    listener.fall_asleep()
    scene.backdate(listener, 3600)
    assert succeed(scene.db, "maintain")["listeners_removed"] == 1
    arguments = {"listener_id": listener.id, "snapshot": listener.snapshot}
    refuse(listener.connection, "not_found", "push_wake", **arguments)
    assert not listener.holds_lock()


@pytest.mark.parametrize("missing", ["listener_id", "snapshot"])
def test_nothing_may_be_missing(listener: Listener, missing: str) -> None:
    arguments = {"listener_id": listener.id, "snapshot": listener.snapshot, missing: None}
    result = refuse(listener.connection, "validation_error", "push_wake", **arguments)
    assert result["details"] == {"field": missing}


def test_who_never_attached_is_not_found(db: Connection) -> None:
    refuse(db, "not_found", "push_wake", listener_id=-1, snapshot="1:1:")


def test_another_session_does_not_wake_a_listener(scene: Scene, listener: Listener) -> None:
    listener.fall_asleep()
    arguments = {"listener_id": listener.id, "snapshot": listener.snapshot}
    refuse(scene.listener().connection, "not_found", "push_wake", **arguments)
    assert listener.holds_lock()
