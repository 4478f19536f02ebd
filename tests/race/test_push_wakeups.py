"""Writers and a listener that falls asleep: each case of the proof in docs/push.md, in steps."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.listening import Listener, events_in
from tests.race.steps import Cast, Person, both_orders
from tests.support import PATIENCE, Json, refuse, succeed

Listen = Callable[..., Listener]
Pair = tuple[Person, Person, str]


@pytest.fixture
def listen(race_database: str, cast: Cast) -> Iterator[Listen]:
    """Let sessions listen; nobody does any more when the race is over."""
    listeners: list[Listener] = []

    def attach(*, with_content: bool = False) -> Listener:
        listeners.append(Listener(race_database, with_content=with_content))
        return listeners[-1]

    yield attach
    for listener in listeners:
        listener.close()
    cast.enter("owner", None).connection.execute("truncate chat.listeners, chat.outbox")


@pytest.fixture
def pair(cast: Cast) -> Pair:
    """Let Ann and Bob have a conversation."""
    ann, bob = cast.people("ann", "bob")
    return ann, bob, ann.opens_direct(bob).succeed()["conversation_id"]


def backdate(cast: Cast, seconds: int) -> None:
    """Let every listener have looked so long ago."""
    cast.enter("clock", None).connection.execute(
        "update chat.listeners set fetched_at = fetched_at - make_interval(secs => %s)", [seconds]
    )


def test_writer_in_flight_is_waited_for_and_need_not_ring(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    listener = listen()
    ann.begin()
    ann.sends(chat, "hello").succeed()
    assert listener.sleep()["asleep"] is False
    ann.commit()
    assert listener.rings() == 0
    assert listener.sleep()["asleep"] is False
    assert listener.contents() == ["hello"]
    listener.fall_asleep()


def test_writer_that_comes_after_rings_once_however_much_it_writes(
    pair: Pair, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen().fall_asleep()
    ann.begin()
    for content in ("one", "two", "three"):
        ann.sends(chat, content).succeed()
    assert listener.rings() == 0
    ann.commit()
    assert listener.rings() == 1
    listener.wake()
    assert listener.contents() == ["one", "two", "three"]


def test_writer_that_comes_after_and_rolls_back_does_not_ring(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    listener = listen().fall_asleep()
    ann.begin()
    ann.sends(chat).succeed()
    ann.rollback()
    assert listener.rings() == 0
    assert listener.wake()["events"] == []


def test_writers_that_meet_it_waking_ring_or_are_seen(pair: Pair, listen: Listen) -> None:
    ann, bob, chat = pair
    listener = listen().fall_asleep()
    ann.sends(chat, "wakes it").succeed()
    bob.begin()
    bob.sends(chat, "meets it waking").succeed()
    assert listener.next_ring()
    listener.wake()
    assert listener.contents() == ["wakes it"]
    bob.commit()
    assert listener.next_ring()
    listener.fetch()
    assert listener.contents() == ["wakes it", "meets it waking"]


def test_it_looks_once_more_while_it_holds_its_lock(cast: Cast, listen: Listen) -> None:
    listen()
    sleeper, blocker = cast.enter("sleeper"), cast.enter("blocker", None)
    me = {"listener_id": sleeper.call("push_attach")["listener_id"]}
    me["snapshot"] = sleeper.call("push_fetch", **me)["snapshot"]
    blocker.begin().connection.execute("lock table chat.outbox in access exclusive mode")
    looking = sleeper.start_blocked("push_sleep", **me)
    held = "select mode from pg_locks where locktype = 'advisory' and pid = %s"
    assert cast.rows(held, sleeper.pid) == ["ExclusiveLock"]
    blocker.commit()
    assert looking.result(PATIENCE)["asleep"]
    sleeper.call("push_wake", **me)


def test_ring_between_falling_asleep_and_waiting_is_not_lost(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    listener = listen().fall_asleep()
    ann.sends(chat, "hello").succeed()
    listener.connection.execute("select 'the ring comes in with the answer to this'")
    assert listener.next_ring()
    listener.wake()
    assert listener.contents() == ["hello"]


def test_writer_that_overlooked_the_listener_is_waited_for(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    ann.begin()
    ann.sends(chat, "overlooks it").succeed()
    listener = listen()
    assert listener.sleep()["asleep"] is False
    ann.commit()
    assert listener.rings() == 0
    listener.sleep()
    assert listener.contents() == ["overlooks it"]
    listener.fall_asleep()


def test_writer_that_looked_before_the_attach_was_committed_is_waited_for(
    pair: Pair, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen()
    listener.connection.execute("begin")
    listener.id = succeed(listener.connection, "push_attach")["listener_id"]
    ann.begin()
    ann.sends(chat, "overlooks it").succeed()
    listener.connection.execute("commit")
    listener.snapshot = None
    listener.fetch()
    assert listener.sleep()["asleep"] is False
    ann.commit()
    assert listener.rings() == 0
    listener.sleep()
    assert listener.contents() == ["overlooks it"]


def test_first_look_in_the_transaction_of_the_attach_does_not_count(
    pair: Pair, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen()
    listener.connection.execute("begin")
    listener.attach()
    ann.begin()
    ann.sends(chat, "overlooks it").succeed()
    listener.connection.execute("commit")
    for function in ("push_sleep", "push_fetch"):
        refuse(
            listener.connection,
            "validation_error",
            function,
            listener_id=listener.id,
            snapshot=listener.snapshot,
        )
    listener.snapshot = None
    listener.fetch()
    assert listener.sleep()["asleep"] is False
    ann.commit()
    listener.sleep()
    assert listener.contents() == ["overlooks it"]


def test_listener_that_sees_the_past_does_not_sleep(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    listener = listen()
    listener.connection.execute("set default_transaction_isolation = 'repeatable read'")
    assert listener.sleep()["asleep"] is False
    assert not listener.holds_lock()
    ann.sends(chat, "hello").succeed()
    listener.sleep()
    assert listener.contents() == ["hello"]


def test_writer_that_began_before_and_sends_after_is_seen(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    ann.begin()
    ann.racer.connection.execute("select pg_current_xact_id()")
    listener = listen()
    assert listener.sleep()["asleep"] is False
    ann.sends(chat, "late").succeed()
    assert listener.sleep()["asleep"] is False
    ann.commit()
    listener.sleep()
    assert listener.contents() == ["late"]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_writer_that_sees_the_past_rings_to_be_safe(
    pair: Pair, listen: Listen, isolation: str
) -> None:
    ann, _, chat = pair
    ann.racer.connection.execute(f"begin isolation level {isolation}")
    ann.sees(chat)
    listener = listen().fall_asleep()
    ann.sends(chat, "from the past").succeed()
    ann.commit()
    assert listener.rings() == 1
    listener.wake()
    assert listener.contents() == ["from the past"]


def test_writer_whose_savepoint_took_the_ring_back_rings_for_what_it_sends_then(
    pair: Pair, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen().fall_asleep()
    ann.begin()
    ann.racer.connection.execute("savepoint step")
    ann.sends(chat, "undone").succeed()
    ann.racer.connection.execute("rollback to step")
    ann.sends(chat, "kept").succeed()
    ann.commit()
    assert listener.rings() == 1
    listener.wake()
    assert listener.contents() == ["kept"]


def test_listener_that_fell_asleep_after_a_savepoint_was_undone_is_woken_by_what_follows(
    pair: Pair, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen()
    ann.begin()
    ann.racer.connection.execute("savepoint step")
    ann.sends(chat, "undone").succeed()
    assert listener.sleep()["asleep"] is False
    ann.racer.connection.execute("rollback to step")
    listener.fall_asleep()
    ann.sends(chat, "kept").succeed()
    ann.commit()
    assert listener.rings() == 1
    listener.wake()
    assert listener.contents() == ["kept"]


def test_listener_killed_asleep_is_in_nobodys_way_and_forgotten(
    pair: Pair, cast: Cast, listen: Listen
) -> None:
    ann, _, chat = pair
    killed, other = listen().fall_asleep(), listen()
    gone = cast.rows("select pg_terminate_backend(%s, %s)", killed.pid, int(PATIENCE * 1000))
    assert gone == [True]
    ann.sends(chat, "hello").succeed()
    assert other.rings() == 0
    other.fetch()
    assert other.contents() == ["hello"]
    left = "select lock_key from chat.listeners"
    assert set(cast.rows(left)) == {killed.id, other.id}
    assert cast.operation("maintain").succeed()["listeners_removed"] == 1
    assert cast.rows(left) == [other.id]


@both_orders
def test_of_two_listeners_one_sleeps_and_both_hear_it(
    pair: Pair, listen: Listen, swapped: bool
) -> None:
    ann, _, chat = pair
    sleeper, awake = reversed([listen(), listen()]) if swapped else (listen(), listen())
    sleeper.fall_asleep()
    ann.begin()
    ann.sends(chat, "hello").succeed()
    assert awake.fetch()["events"] == []
    ann.commit()
    assert sleeper.next_ring()
    sleeper.wake()
    awake.fetch()
    assert sleeper.contents() == awake.contents() == ["hello"]


@both_orders
def test_listener_that_falls_asleep_while_a_writer_rings_for_another_is_rung_for_too(
    pair: Pair, listen: Listen, swapped: bool
) -> None:
    ann, _, chat = pair
    first, second = listen(), listen()
    sleeper, late = (second, first) if swapped else (first, second)
    sleeper.fall_asleep()
    ann.begin()
    ann.sends(chat, "hello").succeed()
    late.sleep()  # whether it may depends on whose lock the writer tried first
    ann.commit()
    assert sleeper.next_ring()
    assert late.next_ring()
    sleeper.wake()
    late.wake()
    assert sleeper.contents() == late.contents() == ["hello"]


def test_listener_forgotten_asleep_is_told_so_when_it_wakes_and_can_attach_again(
    pair: Pair, cast: Cast, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen().fall_asleep()
    backdate(cast, 3600)
    assert cast.operation("maintain").succeed()["listeners_removed"] == 1
    ann.sends(chat, "not for it").succeed()
    assert listener.rings() == 0
    refuse(
        listener.connection,
        "not_found",
        "push_wake",
        listener_id=listener.id,
        snapshot=listener.snapshot,
    )
    listener.attach()
    ann.sends(chat, "for it again").succeed()
    listener.fetch()
    assert listener.contents() == ["for it again"]
    listener.fall_asleep()


def test_listener_that_looks_while_it_is_being_forgotten_is_told_so(
    pair: Pair, cast: Cast, listen: Listen
) -> None:
    ann, _, chat = pair
    listen()
    late = cast.enter("late")
    listener_id = late.call("push_attach")["listener_id"]
    snapshot = late.call("push_fetch", listener_id=listener_id)["snapshot"]
    ann.sends(chat).succeed()
    backdate(cast, 3600)
    upkeep = cast.operation("maintain")
    upkeep.racer.begin()
    assert upkeep.succeed()["outbox_left"] == 0
    looking = late.start_blocked("push_fetch", listener_id=listener_id, snapshot=snapshot)
    upkeep.racer.commit()
    assert looking.result(PATIENCE)["error"] == "not_found"


def test_listener_that_looks_just_before_it_would_be_forgotten_stays(
    pair: Pair, cast: Cast, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen()
    ann.sends(chat, "one").succeed()
    backdate(cast, 3600)
    listener.connection.execute("begin")
    listener.fetch()
    upkeep = cast.operation("maintain")
    running = upkeep.start_blocked()
    ann.sends(chat, "two").succeed()
    listener.connection.execute("commit")
    result = running.result(PATIENCE)
    assert result["listeners_removed"] == 0
    listener.fetch()
    assert listener.contents() == ["one", "two"]


def test_upkeep_while_somebody_attaches_takes_nothing_from_them(
    pair: Pair, cast: Cast, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen()
    cast.enter("owner", None).connection.execute("truncate chat.listeners")
    listener.connection.execute("begin")
    listener.id = succeed(listener.connection, "push_attach")["listener_id"]
    ann.sends(chat, "before its first look").succeed()
    cast.operation("maintain").succeed()
    listener.connection.execute("commit")
    listener.snapshot = None
    assert listener.fetch()["events"] == []
    ann.sends(chat, "after it").succeed()
    assert cast.operation("maintain").succeed()["outbox_trimmed"] == 0
    listener.fetch()
    assert listener.contents() == ["after it"]


def test_upkeep_beside_looks_takes_nothing_that_was_not_seen(
    pair: Pair, cast: Cast, listen: Listen
) -> None:
    ann, bob, chat = pair
    quick, slow = listen(), listen()
    upkeep = cast.operation("maintain")
    for number in range(4):
        ann.begin()
        ann.sends(chat, f"{number}, committed late").succeed()
        backdate(cast, 10)
        quick.fetch()
        if number % 2:
            slow.fetch()
        upkeep.racer.begin()
        upkeep.succeed()
        ann.commit()
        quick.fetch()
        upkeep.racer.commit()
        bob.sends(chat, f"{number}, between").succeed()
        upkeep.succeed()
    quick.fetch()
    slow.fetch()
    sent = [f"{number}, {when}" for number in range(4) for when in ("committed late", "between")]
    assert quick.contents() == slow.contents() == sent
    for listener in (quick, slow):
        backdate(cast, 10)
        listener.fetch()
    assert upkeep.succeed()["outbox_left"] == 0


def test_transaction_open_for_longer_than_the_retention_reaches_everyone(
    pair: Pair, cast: Cast, listen: Listen
) -> None:
    ann, bob, chat = pair
    other_chat = bob.opens_group(ann).succeed()["conversation_id"]
    asleep, awake = listen(), listen()
    slow = cast.enter("slow", None).begin()
    slow.call("send_message_atomic", conversation_id=chat, actor_id=ann.id, content="slow")
    slow.connection.execute(
        "update chat.outbox set created_at = created_at - interval '1 day'"
        " where xid = pg_current_xact_id()"
    )
    for number in range(3):
        bob.sends(other_chat, f"{number}").succeed()
        for listener in (asleep, awake):
            backdate(cast, 10)
            listener.fetch()
        cast.operation("maintain").succeed()
    assert cast.rows("select count(*)::int from chat.outbox")[0] <= 1
    slow.commit()
    cast.operation("maintain").succeed()
    for listener in (asleep, awake):
        listener.fetch()
        assert listener.contents() == ["0", "1", "2", "slow"]


def told(listener: Listener) -> list[Json]:
    """Return the events the bell has told."""
    heard = [event for content in listener.rung() for event in events_in(content)]
    assert all(time.time() - event["written_at"] < PATIENCE for event in heard)
    return heard


def said_in(events: list[Json]) -> list[str]:
    """Return what the messages in events say."""
    return [event["event"]["message"]["content"] for event in events]


def test_sleeper_is_told_each_event_as_a_look_would_show_it(pair: Pair, listen: Listen) -> None:
    ann, bob, chat = pair
    listener = listen(with_content=True).fall_asleep()
    ann.begin()
    ann.sends(chat, "one").succeed()
    ann.sends(chat, "two").succeed()
    assert told(listener) == []
    ann.commit()
    bob.sends(chat, "three").succeed()
    heard = told(listener)
    shown = listener.wake()["events"]
    assert said_in(heard) == said_in(shown) == ["one", "two", "three"]
    assert heard == shown


def test_sleeper_is_told_in_the_order_of_commits(pair: Pair, listen: Listen) -> None:
    ann, bob, chat = pair
    other_chat = bob.opens_group(ann).succeed()["conversation_id"]
    listener = listen(with_content=True).fall_asleep()
    ann.begin()
    ann.sends(chat, "written first").succeed()
    bob.sends(other_chat, "committed first").succeed()
    ann.commit()
    assert said_in(told(listener)) == ["committed first", "written first"]


@pytest.mark.parametrize("undo", ["rollback to step; commit", "rollback"])
def test_sleeper_is_told_nothing_of_what_is_undone(pair: Pair, listen: Listen, undo: str) -> None:
    ann, _, chat = pair
    listener = listen(with_content=True).fall_asleep()
    ann.begin()
    ann.racer.connection.execute("savepoint step")
    ann.sends(chat, "undone").succeed()
    ann.racer.connection.execute(undo)
    ann.sends(chat, "kept").succeed()
    assert said_in(told(listener)) == ["kept"]


def test_frame_with_the_bell_is_the_text_a_look_shows(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    listener = listen(with_content=True).fall_asleep()
    ann.racer.connection.execute(
        "select api.send_message_atomic(%s, %s, 'odd', p_metadata => %s::jsonb)",
        [chat, ann.id, '{"large": 1e400, "exact": 2.50, "deep": ' + "[" * 999 + "]" * 999 + "}"],
    )
    (content,) = listener.rung()
    shown = listener.connection.execute(
        "select push_wake ->> 'events' from api.push_wake(%s, %s)",
        [listener.id, listener.snapshot],
    ).fetchone()
    assert shown == (content,)


def test_event_too_long_for_the_bell_rings_without(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    listener = listen(with_content=True).fall_asleep()
    ann.sends(chat, "é" * 4000).succeed()
    assert listener.rung() == [""]
    listener.wake()
    assert listener.contents() == ["é" * 4000]


def test_each_sleeper_is_rung_in_its_own_way(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    with_content, without = listen(with_content=True), listen()
    with_content.fall_asleep()
    ann.sends(chat, "one").succeed()
    assert said_in(told(with_content)) == ["one"]
    assert without.rung() == []

    without.fetch()
    without.fall_asleep()
    ann.sends(chat, "two").succeed()
    assert without.rung() == [""]
    assert [ring == "" for ring in sorted(with_content.rung())] == [True, False]


def test_writer_that_sees_the_past_rings_without_for_whom_it_does_not_see(
    pair: Pair, listen: Listen
) -> None:
    ann, _, chat = pair
    ann.racer.connection.execute("begin isolation level repeatable read")
    ann.sees(chat)
    listener = listen(with_content=True).fall_asleep()
    ann.sends(chat, "from the past").succeed()
    ann.commit()
    assert listener.rung() == [""]


def test_writer_that_rang_and_then_found_it_awake_is_waited_for(pair: Pair, listen: Listen) -> None:
    ann, _, chat = pair
    listener = listen(with_content=True).fall_asleep()
    ann.begin()
    ann.sends(chat, "rings").succeed()
    listener.wake()
    ann.sends(chat, "does not").succeed()
    assert listener.sleep()["asleep"] is False
    ann.commit()
    assert said_in(told(listener)) == ["rings"]
    listener.sleep()
    assert listener.contents() == ["rings", "does not"]
    listener.fall_asleep()


def test_writer_that_rang_does_not_keep_it_awake_and_what_it_rang_is_all(
    pair: Pair, listen: Listen
) -> None:
    ann, _, chat = pair
    listener = listen(with_content=True).fall_asleep()
    ann.begin()
    ann.sends(chat, "one").succeed()
    listener.wake()
    listener.fall_asleep()
    ann.sends(chat, "two").succeed()
    ann.commit()
    assert said_in(told(listener)) == ["one", "two"]
