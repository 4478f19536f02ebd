"""api.push_fetch."""

import pytest
from psycopg import errors

from tests.listening import NOTHING, Listener
from tests.rpc.calls import NOBODY
from tests.rpc.push.conftest import Scene
from tests.support import Connection, Racer, call, refuse, succeed


def test_the_first_look_is_from_now_on(scene: Scene, listener: Listener) -> None:
    scene.send("before")
    result = succeed(listener.connection, "push_fetch", listener_id=listener.id)
    assert set(result) == {"success", "snapshot", "events", "transactions", "missed"}
    assert {name: result[name] for name in NOTHING} == NOTHING
    assert isinstance(result["snapshot"], str)


def test_an_event_is_the_frame_and_who_gets_it(scene: Scene, listener: Listener) -> None:
    message = scene.send("hello")
    result = listener.fetch()
    assert (result["transactions"], result["missed"]) == (1, False)
    (event,) = result["events"]
    about = {"position", "xid", "conversation_id", "user_ids", "excluded_user_ids", "age"}
    assert set(event) == {*about, "desk_id", "event"}
    assert event["conversation_id"] == scene.group
    assert event["excluded_user_ids"] is None
    assert event["desk_id"] is None
    assert event["event"]["message"] == message


def test_a_frame_is_what_the_log_gives(scene: Scene, listener: Listener) -> None:
    message = scene.send("hello")
    about = {"conversation_id": scene.group, "message_id": message["id"]}
    succeed(scene.db, "add_reaction_atomic", **about, actor_id=scene.bob, emoji="👍")
    listener.fetch()
    after = message["seq"] - 1
    log = succeed(
        scene.db, "list_changes", conversation_id=scene.group, actor_id=scene.bob, after_seq=after
    )["changes"]
    heard = [one["event"] for one in listener.heard]
    assert [frame["type"] for frame in heard] == ["message_created", "reaction_added"]
    assert heard[1] == log[1]
    assert {**heard[0], "message": {**heard[0]["message"], "reactions": []}} == {
        **log[0],
        "message": {**log[0]["message"], "reactions": []},
    }


def test_each_event_comes_once(scene: Scene, listener: Listener) -> None:
    for number in range(3):
        scene.send(f"message {number}")
        assert len(listener.fetch()["events"]) == 1
        assert listener.fetch()["events"] == []
    assert listener.contents() == ["message 0", "message 1", "message 2"]


def test_a_look_never_reads_the_outbox_from_end_to_end(scene: Scene, listener: Listener) -> None:
    """Of an empty table PostgreSQL would, and keep that plan however large it has become."""
    scene.tables.execute("vacuum chat.outbox")
    with listener.connection.transaction():
        listener.fetch()
        scanned = listener.connection.execute(
            "select seq_scan from pg_stat_xact_user_tables where relname = 'outbox'"
        ).fetchone()
    assert scanned == (0,)


def test_an_answer_that_was_lost_can_be_asked_for_again(scene: Scene, listener: Listener) -> None:
    scene.send("hello")
    before = listener.snapshot
    first = listener.fetch()["events"]
    listener.snapshot = before
    again = listener.fetch()["events"]
    assert [one["event"] for one in again] == [one["event"] for one in first]


def test_what_is_not_committed_does_not_come_yet(
    scene: Scene, listener: Listener, writer: Racer
) -> None:
    scene.send("early", writer.begin().connection)
    assert listener.fetch()["events"] == []
    writer.commit()
    listener.fetch()
    assert listener.contents() == ["early"]


def test_what_is_rolled_back_never_comes(scene: Scene, listener: Listener, writer: Racer) -> None:
    scene.send("never", writer.begin().connection)
    assert listener.fetch()["events"] == []
    writer.rollback()
    assert listener.fetch()["events"] == []
    scene.send("next")
    listener.fetch()
    assert listener.contents() == ["next"]


def test_a_savepoint_rolled_back_takes_only_its_own_events_with_it(
    scene: Scene, listener: Listener, writer: Racer
) -> None:
    writer.begin()
    for content, ending in [
        ("one", "release step"),
        ("undone", "rollback to step"),
        ("two", "release step"),
    ]:
        writer.connection.execute("savepoint step")
        scene.send(content, writer.connection)
        writer.connection.execute(ending)
    assert listener.fetch()["events"] == []
    writer.commit()
    assert listener.fetch()["transactions"] == 1
    assert listener.contents() == ["one", "two"]


def test_more_savepoints_than_a_snapshot_has_room_for_lose_nothing(
    scene: Scene, listener: Listener, writer: Racer
) -> None:
    writer.begin()
    sent = [f"message {number}" for number in range(80)]
    for content in sent:
        writer.connection.execute("savepoint step")
        scene.send(content, writer.connection)
    assert listener.fetch()["events"] == []
    writer.commit()
    listener.fetch()
    assert listener.fetch()["events"] == []
    assert listener.contents() == sent


def test_a_conversations_events_come_in_log_order_although_the_later_one_began_first(
    scene: Scene, listener: Listener, writer: Racer
) -> None:
    other = scene.writer()
    older = writer.begin().connection.execute("select pg_current_xact_id()::text::int").fetchone()
    scene.send("first", other.begin().connection)
    newer = other.connection.execute("select pg_current_xact_id()::text::int").fetchone()
    other.commit()
    scene.send("second", writer.connection)
    writer.commit()
    assert older
    assert newer
    assert older < newer
    listener.fetch()
    assert listener.contents() == ["first", "second"]
    seqs = [one["event"]["seq"] for one in listener.heard]
    assert seqs == sorted(seqs)


def test_a_transaction_open_for_long_is_neither_lost_nor_repeated(
    scene: Scene, listener: Listener, writer: Racer
) -> None:
    other = scene.writer()
    own_group = succeed(
        scene.db,
        "create_conversation_atomic",
        kind="group",
        actor_id=scene.bob,
        member_ids=[scene.cid],
    )["conversation_id"]
    listener.fetch()
    listener.heard.clear()
    writer.begin().call(
        "send_message_atomic", conversation_id=own_group, actor_id=scene.bob, content="slow"
    )
    for number in range(5):
        scene.send(f"rolled back {number}", other.begin().connection)
        other.rollback()
        scene.send(f"message {number}")
        listener.fetch()
        listener.fetch()
    assert listener.contents() == [f"message {number}" for number in range(5)]
    writer.commit()
    assert len(listener.fetch()["events"]) == 1
    assert listener.fetch()["events"] == []
    assert listener.contents()[-1] == "slow"


def test_transactions_are_counted_beside_their_events(scene: Scene, listener: Listener) -> None:
    one = {"p_conversation_id": scene.group, "p_actor_id": scene.ann, "p_content": "hi"}
    succeed(scene.db, "send_messages_atomic", messages=[one] * 3)
    scene.send("alone")
    result = listener.fetch()
    assert (result["transactions"], len(result["events"])) == (2, 4)


def test_who_is_not_to_see_it_is_told(scene: Scene, listener: Listener) -> None:
    succeed(scene.db, "block_user_atomic", actor_id=scene.cid, user_id=scene.ann)
    scene.send("not for Cid")
    (event,) = listener.fetch()["events"]
    assert event["excluded_user_ids"] == [scene.cid]


def test_age_is_how_long_ago_it_was_written(scene: Scene, listener: Listener) -> None:
    scene.send("new")
    assert 0 <= listener.fetch()["events"][0]["age"] < 60
    scene.send("old")
    scene.tables.execute(
        "update chat.outbox set created_at = created_at - interval '1 hour'"
        " where event::jsonb -> 'message' ->> 'content' = 'old'"
    )
    (event,) = listener.fetch()["events"]
    assert 3600 <= event["age"] < 3660


def test_events_outside_the_log_come_too(scene: Scene, listener: Listener) -> None:
    here = {"conversation_id": scene.group, "actor_id": scene.bob}
    succeed(scene.db, "announce_typing", **here)
    scene.send("hello")
    succeed(scene.db, "mark_read_atomic", **here)
    succeed(scene.db, "deactivate_user_atomic", user_id=scene.cid)
    listener.fetch()
    kinds = [(one["event"]["type"], one["conversation_id"]) for one in listener.heard]
    assert kinds == [
        ("typing", scene.group),
        ("message_created", scene.group),
        ("receipt", scene.group),
        ("member_removed", scene.group),
        ("user_deactivated", None),
    ]
    assert listener.heard[-1]["event"] == {"type": "user_deactivated", "user_ids": [scene.cid]}


def test_as_many_as_the_backlog_allows_are_given(scene: Scene, listener: Listener) -> None:
    scene.tables.execute("update chat.limits set listener_backlog = 3")
    for number in range(3):
        scene.send(f"message {number}")
    result = listener.fetch()
    assert (result["missed"], len(result["events"])) == (False, 3)


def test_more_than_the_backlog_is_missed_and_what_comes_later_is_given(
    scene: Scene, listener: Listener
) -> None:
    scene.tables.execute("update chat.limits set listener_backlog = 3")
    for number in range(4):
        scene.send(f"message {number}")
    result = listener.fetch()
    assert (result["missed"], result["events"]) == (True, [])
    scene.send("later")
    result = listener.fetch()
    assert (result["missed"], listener.contents()) == (False, ["later"])


def test_what_was_restored_from_another_server_does_not_come(
    scene: Scene, listener: Listener
) -> None:
    scene.tables.execute(
        "insert into chat.outbox (xid, event)"
        " values ((pg_current_xact_id()::text::bigint + 1000000)::text::xid8, '{}')"
    )
    assert listener.fetch()["events"] == []
    listener.fall_asleep()


def test_what_it_has_seen_is_noted_every_few_seconds_and_not_each_time(
    scene: Scene, listener: Listener
) -> None:
    def version() -> tuple[object, ...] | None:
        return scene.row(listener, "xmin::text, ctid::text")

    listener.fetch()  # the first look with a snapshot is noted: nothing is trimmed before
    before = version()
    assert scene.row(listener, "snapshot is not null") == (True,)
    for number in range(3):
        scene.send(f"message {number}")
        listener.fetch()
    assert version() == before

    scene.backdate(listener, 10)
    confirmed = listener.snapshot
    listener.fetch()
    assert scene.row(
        listener, "snapshot::text, fetched_at > clock_timestamp() - interval '5 seconds'"
    ) == (confirmed, True)


def test_it_must_say_which_listener_it_is(db: Connection) -> None:
    result = refuse(db, "validation_error", "push_fetch", listener_id=None)
    assert result["details"] == {"field": "listener_id"}


@pytest.mark.parametrize("snapshot", [None, "1:1:"])
def test_who_never_attached_is_not_found(db: Connection, snapshot: str | None) -> None:
    refuse(db, "not_found", "push_fetch", listener_id=-1, snapshot=snapshot)


def test_another_sessions_listener_is_not_found(scene: Scene, listener: Listener) -> None:
    other = scene.listener()
    refuse(
        other.connection,
        "not_found",
        "push_fetch",
        listener_id=listener.id,
        snapshot=listener.snapshot,
    )


def test_who_was_forgotten_is_not_found(scene: Scene, listener: Listener) -> None:
    scene.backdate(listener, 3600)
    assert succeed(scene.db, "maintain")["listeners_removed"] == 1
    refuse(
        listener.connection,
        "not_found",
        "push_fetch",
        listener_id=listener.id,
        snapshot=listener.snapshot,
    )
    listener.attach()
    scene.send("hello")
    assert len(listener.fetch()["events"]) == 1


@pytest.mark.parametrize("snapshot", ["now", "", "3:2:", NOBODY])
def test_what_is_no_snapshot_is_an_error(scene: Scene, listener: Listener, snapshot: str) -> None:
    with pytest.raises(errors.InvalidTextRepresentation):
        call(listener.connection, "push_fetch", listener_id=listener.id, snapshot=snapshot)


def test_event_is_the_text_of_the_frame_that_the_log_gives(
    scene: Scene, listener: Listener
) -> None:
    scene.send('with "quotes", a\nline and ünïcode')
    shown = scene.tables.execute(
        "select o.event, o.event::jsonb::text,"
        "       chat.message_frame(o.event::jsonb -> 'message')::text"
        "  from chat.outbox o where o.event::jsonb ? 'message'"
    ).fetchall()
    assert shown
    for event, *same in shown:
        assert [event, event] == same
