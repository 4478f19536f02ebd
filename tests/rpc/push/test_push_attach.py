"""api.push_attach."""

import pytest

from tests.listening import Listener
from tests.rpc.behind import rows
from tests.rpc.push.conftest import Scene
from tests.support import Connection, Racer, refuse, succeed


def test_a_session_gets_a_listeners_id_and_the_channel(db: Connection) -> None:
    result = succeed(db, "push_attach")
    assert set(result) == {"success", "listener_id", "channel"}
    assert isinstance(result["listener_id"], int)
    assert result["channel"] == "parley"


def test_who_wants_events_with_the_bell_gets_a_channel_nobody_else_has(db: Connection) -> None:
    results = [succeed(db, "push_attach", with_content=True) for _ in range(2)]
    for result in results:
        assert set(result) == {"success", "listener_id", "channel", "own_channel"}
        assert len(result["own_channel"].encode()) < 64
    assert len({result["own_channel"] for result in results}) == 2


def test_each_session_is_a_listener_of_its_own(scene: Scene, listener: Listener) -> None:
    other = scene.listener()
    assert other.id != listener.id
    scene.send("hello")
    assert len(listener.fetch()["events"]) == len(other.fetch()["events"]) == 1


def test_attaching_again_takes_the_place_of_what_the_session_was(
    scene: Scene, listener: Listener
) -> None:
    before, snapshot = listener.id, listener.snapshot
    listener.attach()
    db = listener.connection
    refuse(db, "not_found", "push_fetch", listener_id=before, snapshot=snapshot)
    assert scene.tables.execute("select count(*) from chat.listeners").fetchone() == (1,)


def test_what_a_dead_session_of_the_same_number_left_is_replaced(db: Connection) -> None:
    rows(db, "insert into chat.listeners (backend_pid) values (pg_backend_pid())")
    listener_id = succeed(db, "push_attach")["listener_id"]
    found = rows(db, "select lock_key from chat.listeners where backend_pid = pg_backend_pid()")
    assert found == [(listener_id,)]


@pytest.mark.parametrize("ending", ["rollback", "commit"])
def test_it_counts_once_it_is_committed(scene: Scene, writer: Racer, ending: str) -> None:
    writer.begin()
    listener_id = writer.call("push_attach")["listener_id"]
    writer.connection.execute(ending)
    result = writer.call("push_fetch", listener_id=listener_id)
    assert result.get("error") == ("not_found" if ending == "rollback" else None)
