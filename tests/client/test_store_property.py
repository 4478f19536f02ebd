"""Whatever the order in which pages and frames come: the same messages, each number once."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.support import HERE, Log
from thin_api.client.store import Store


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Make a log of messages and of what happens to them."""
    log = Log()
    for number in range(draw(st.integers(1, 25))):
        kinds = ["send", "skip"] + ["edit", "delete", "react"] * bool(log.ids)
        kind = draw(st.sampled_from(kinds))
        if kind == "send":
            log.send(f"message {number}")
        elif kind == "skip":
            log.skip()
        else:
            subject = draw(st.sampled_from(log.ids))
            if kind == "edit":
                log.edit(subject, f"edit {number}")
            elif kind == "delete":
                log.delete(subject)
            else:
                log.react(subject, f"emoji {number}")
    return log


def some_of(data: st.DataObject, log: Log, store: Store) -> list[Any]:
    """Deliver a page or frame the server may have given at some time; what comes out of it."""
    begun = store.conversation(HERE).begun or 0
    if begun == log.last_seq:
        return []
    numbers = st.integers(begun + 1, log.last_seq)
    as_of = data.draw(numbers)
    limit = data.draw(st.integers(1, 10))
    match data.draw(st.sampled_from(["live", "live", "live", "late", "changes", "messages"])):
        case "live":
            return store.apply(log.live(as_of))
        case "late":
            return store.apply(log.late(data.draw(st.integers(begun + 1, as_of)), as_of))
        case "changes":
            after = data.draw(st.integers(begun, as_of))
            return store.apply_changes(
                HERE, log.changes(after, limit=limit, as_of=as_of), after=after
            )
        case _:
            before = data.draw(st.none() | st.integers(1, log.last_seq))
            page = log.messages(before=before, limit=limit, as_of=as_of)
            return store.apply_messages(HERE, page)


def fill(data: st.DataObject, log: Log, store: Store) -> list[Any]:
    """Read the log to its end, as a client does; what comes out."""
    freed = []
    while store.cursors().get(HERE, 0) < log.last_seq:
        after = store.cursors().get(HERE, 0)
        page = log.changes(after, limit=data.draw(st.integers(1, 10)))
        freed += store.apply_changes(HERE, page, after)
    return freed


@settings(deadline=None)
@given(logs(), st.integers(0, 40), st.data())
def test_it_always_ends_with_every_message_as_it_is_and_each_number_once(
    log: Log, deliveries: int, data: st.DataObject
) -> None:
    store = Store({HERE: 0})
    freed: list[Any] = []
    for _ in range(deliveries):
        freed += some_of(data, log, store)
        assert [frame["seq"] for frame in freed] == list(range(1, store.cursors()[HERE] + 1))
    freed += fill(data, log, store)
    assert store.messages(HERE) == list(log.states().values())
    assert [frame["seq"] for frame in freed] == list(range(1, log.last_seq + 1))
    assert store.conversation(HERE).gap is None


@settings(deadline=None)
@given(logs(), st.data())
def test_every_order_of_all_live_frames_ends_the_same(log: Log, data: st.DataObject) -> None:
    store = Store({HERE: 0})
    once = [log.live(seq) for seq in range(1, log.last_seq + 1)]
    twice = data.draw(st.lists(st.sampled_from(once), max_size=10))
    freed: list[Any] = []
    for frame in data.draw(st.permutations(once + twice)):
        freed += store.apply(frame)
    assert freed == once
    assert store.messages(HERE) == list(log.states().values())


@settings(deadline=None)
@given(logs(), st.integers(1, 20), st.data())
def test_wherever_it_begins_what_it_has_is_right(
    log: Log, deliveries: int, data: st.DataObject
) -> None:
    store = Store()
    freed: list[Any] = []
    for _ in range(deliveries):
        freed += some_of(data, log, store)
    freed += fill(data, log, store)
    states = log.states()
    have = store.messages(HERE)
    assert have == [states[one["id"]] for one in have]
    begun = store.conversation(HERE).begun or 0
    later = [one for one in states.values() if one["seq"] > begun]
    assert [one for one in later if one not in have] == []
    assert [one["seq"] for one in freed] == list(range(begun + 1, log.last_seq + 1))
