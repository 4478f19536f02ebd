"""What the store makes of single pages and frames."""

from typing import Any

import pytest

from tests.client.support import HERE, ME, OTHER, THERE, Json, Log
from thin_api.client.store import Gap, Receipt, Store


@pytest.fixture
def log() -> Log:
    """Return a log of three messages."""
    log = Log()
    for content in ("one", "two", "three"):
        log.send(content)
    return log


def begun(seq: int = 0) -> Store:
    """Return a store that saw one conversation up to a number."""
    return Store({HERE: seq})


def contents(store: Store) -> list[Any]:
    return [one["content"] for one in store.messages(HERE)]


def seqs(frames: list[Any]) -> list[int]:
    return [frame["seq"] for frame in frames]


def ready(*conversations: Json, user_id: str = ME) -> Json:
    return {"type": "ready", "user_id": user_id, "conversations": list(conversations)}


def listed(conversation_id: str = HERE, last_seq: int = 0, joined_seq: int = 0) -> Json:
    return {
        "conversation_id": conversation_id,
        "last_seq": last_seq,
        "joined_seq": joined_seq,
        "delivered_seq": 0,
        "read_seq": 0,
        "unread_count": 0,
    }


def test_a_message_of_a_conversation_never_heard_of_is_kept(log: Log) -> None:
    store = Store()
    store.apply(log.live(2))
    assert contents(store) == ["two"]


def test_a_page_does_not_overwrite_what_came_live(log: Log) -> None:
    store = begun(2)
    old = log.messages(as_of=2)
    store.apply(log.live(3))
    store.apply_messages(HERE, old)
    assert contents(store) == ["one", "two", "three"]


def test_the_same_frame_again_changes_nothing_and_is_not_handed_out(log: Log) -> None:
    store = begun()
    assert seqs(store.apply(log.live(1))) == [1]
    assert store.apply(log.live(1)) == []
    assert contents(store) == ["one"]


@pytest.mark.parametrize("late", [False, True])
def test_an_older_state_never_overwrites_a_newer_one(log: Log, late: bool) -> None:
    store = begun(3)
    log.edit(log.ids[0], "ONE")
    newer = [lambda: store.apply(log.live(4)), lambda: store.apply_messages(HERE, log.messages())]
    newer[late]()
    store.apply(log.live(1))
    store.apply_messages(HERE, log.messages(as_of=3))
    store.apply_changes(HERE, log.changes(0, as_of=3), 0)
    assert contents(store)[0] == "ONE"


def test_a_frame_that_showed_more_than_its_number_tells_is_not_taken_back(log: Log) -> None:
    store = begun()
    log.edit(log.ids[0], "ONE")
    store.apply(log.late(1))
    store.apply(log.live(1))
    assert contents(store) == ["ONE"]


def test_a_page_of_changes_shows_messages_as_they_were_at_its_end(log: Log) -> None:
    store = begun()
    log.edit(log.ids[0], "ONE")
    store.apply_changes(HERE, log.changes(0, limit=1), 0)
    store.apply_messages(HERE, log.messages(as_of=3))
    assert contents(store)[0] == "ONE"


def test_a_deleted_message_stays_without_content(log: Log) -> None:
    store = begun(3)
    store.apply_messages(HERE, log.messages())
    store.apply(log.delete(log.ids[1]))
    assert contents(store) == ["one", None, "three"]


def test_frames_after_a_missing_number_wait_for_it_and_show_their_messages(log: Log) -> None:
    store = begun()
    assert store.apply(log.live(3)) == []
    conversation = store.conversation(HERE)
    assert conversation.gap == Gap(after=0, before=3)
    assert contents(store) == ["three"]
    assert seqs(store.apply(log.live(1))) == [1]
    assert conversation.gap == Gap(after=1, before=3)
    assert seqs(store.apply(log.live(2))) == [2, 3]
    assert conversation.gap is None
    assert store.cursors() == {HERE: 3}


def test_skips_and_changes_move_the_cursor_too(log: Log) -> None:
    store = begun(3)
    for frame in (log.skip(), log.edit(log.ids[0], "ONE"), log.react(log.ids[0], "+1")):
        assert store.apply(frame) == [frame]
    assert store.cursors() == {HERE: 6}


def test_a_page_of_changes_fills_a_gap_and_frees_what_waited(log: Log) -> None:
    store = begun(1)
    log.send("four")
    store.apply(log.live(4))
    freed = store.apply_changes(HERE, log.changes(1, limit=2), 1)
    assert seqs(freed) == [2, 3, 4]


def test_a_page_of_changes_from_further_on_leaves_the_gap(log: Log) -> None:
    store = begun()
    assert store.apply_changes(HERE, log.changes(1), 1) == []
    assert store.conversation(HERE).gap == Gap(0, 2)
    never = Store()
    assert never.apply_changes(HERE, log.changes(1), 1) == []
    assert never.cursors() == {}


def test_the_beginning_that_a_newcomer_may_not_see_is_no_gap(log: Log) -> None:
    store = begun()
    store.apply(log.live(3))
    page = log.changes(0)
    page["changes"] = page["changes"][2:]
    assert seqs(store.apply_changes(HERE, page, 0)) == [3]
    assert store.cursors() == {HERE: 3}
    unseen = page | {"changes": [], "last_seq": 5}
    assert store.apply_changes(HERE, unseen, 3) == []
    assert store.cursors() == {HERE: 5}


def test_where_nothing_was_known_the_log_goes_on_from_the_first_page(log: Log) -> None:
    store = Store()
    store.apply(log.send("four"))
    assert store.cursors() == {}
    store.apply_messages(HERE, log.messages(as_of=3))
    assert store.cursors() == {HERE: 4}
    store.apply_messages(HERE, log.messages())
    log.edit(log.ids[0], "ONE")
    log.edit(log.ids[0], "ONE!")
    store.apply_messages(HERE, log.messages())
    assert store.cursors() == {HERE: 4}, "changes of messages that are in no page may be missing"


def test_our_message_is_shown_at_once_and_replaced_by_the_servers(log: Log) -> None:
    store = begun(3)
    store.ready(ready(listed(last_seq=3)))
    conversation = store.conversation(HERE)
    conversation.sending({"client_message_id": "k", "sender_id": ME, "seq": None, "content": "hi"})
    assert contents(store) == ["hi"]
    store.apply(log.send("not ours", key="k", sender=OTHER))
    assert contents(store) == ["not ours", "hi"]
    store.apply(log.send("hi", key="k", sender=ME))
    assert [one["seq"] for one in store.messages(HERE)] == [4, 5]
    conversation.sending({"client_message_id": "k", "sender_id": ME, "seq": None, "content": "hi"})
    assert [one["seq"] for one in store.messages(HERE)] == [4, 5]


def test_the_answer_to_a_send_replaces_it_whoever_we_are(log: Log) -> None:
    store = begun(3)
    conversation = store.conversation(HERE)
    conversation.sending({"client_message_id": "k", "sender_id": None, "content": "hi"})
    frame = log.send("hi", key="k", sender=ME)
    conversation.sent("k", frame["message"])
    assert [one["seq"] for one in store.messages(HERE)] == [4]
    assert store.cursors() == {HERE: 3}, "the answer is not the log"
    assert seqs(store.apply(frame)) == [4]


def test_a_refused_send_stays_with_its_error(log: Log) -> None:
    store = begun(3)
    conversation = store.conversation(HERE)
    conversation.sending({"client_message_id": "k", "sender_id": ME, "content": "hi"})
    conversation.failed("k", "blocked")
    assert [one["error"] for one in store.messages(HERE)] == ["blocked"]


def test_after_a_reset_the_log_goes_on_and_what_is_gone_can_be_forgotten(log: Log) -> None:
    store = begun()
    store.apply(log.live(1))
    store.apply(log.live(2))
    conversation = store.conversation(HERE)
    for content in ("four", "five", "six"):
        log.send(content)
    store.apply(log.live(4))
    store.apply(log.live(6))
    assert conversation.oldest == 1
    assert seqs(conversation.reset(5)) == [6]
    assert (conversation.begun, conversation.cursor) == (5, 6)
    assert contents(store) == ["one", "two", "four", "six"]
    page = log.messages(as_of=5)
    page["messages"] = page["messages"][1:]  # the first was purged
    store.apply_messages(HERE, page)
    conversation.forget_stale(5)
    assert contents(store) == ["two", "three", "four", "five", "six"]
    assert store.cursors() == {HERE: 6}


def test_a_log_that_went_back_takes_its_lost_end_along(log: Log) -> None:
    store = begun()
    for seq in (1, 2, 3):
        store.apply(log.live(seq))
    store.apply({"type": "receipt", "conversation_id": HERE, "user_id": OTHER} | marks(3, 3))
    restored = Log()
    restored.send("one")
    conversation = store.conversation(HERE)
    assert conversation.reset(1) == []
    store.apply_messages(HERE, restored.messages())
    assert seqs(store.apply(restored.send("another two"))) == [2]
    assert contents(store) == ["one", "another two"]
    assert conversation.receipts == {}


def marks(delivered: int, read: int) -> Json:
    return {"delivered_seq": delivered, "read_seq": read}


def test_receipts_only_move_forward() -> None:
    store = begun()
    for delivered, read in ((3, 1), (2, 2), (1, 0)):
        told = {"type": "receipt", "conversation_id": HERE, "user_id": OTHER}
        assert store.apply(told | marks(delivered, read)) == [told | marks(delivered, read)]
    assert store.conversation(HERE).receipts == {OTHER: Receipt(3, 2)}


def test_the_first_connection_begins_now_or_where_it_is_told() -> None:
    for since, cursor in ((None, 9), (0, 0), (4, 4), (12, 9)):
        store = Store({THERE: 2})
        store.ready(ready(listed(last_seq=9), listed(THERE, last_seq=5)), since)
        assert store.cursors() == {HERE: cursor, THERE: 2}


def test_a_conversation_we_came_into_while_away_begins_where_we_joined() -> None:
    store = Store()
    store.ready(ready())
    store.ready(ready(listed(last_seq=9, joined_seq=6), listed(THERE, last_seq=2)))
    assert store.cursors() == {HERE: 5, THERE: 0}
    assert [one.begun for one in store.conversations.values()] == [5, 0]
    assert store.conversation(HERE).receipts == {ME: Receipt(0, 0)}


def test_a_conversation_we_are_out_of_has_no_cursor_to_send() -> None:
    store = begun(3)
    store.ready(ready(listed(last_seq=3)))
    waiting = {"type": "skip", "conversation_id": HERE, "seq": 5}
    store.apply(waiting)
    assert store.ready(ready()) == [waiting]
    assert store.cursors() == {}
    store.ready(ready(listed(last_seq=9, joined_seq=8)))
    assert store.cursors() == {HERE: 5}


def test_the_log_tells_when_we_are_taken_out_and_in() -> None:
    store = begun()
    store.ready(ready(listed()))
    for seq, kind, who, inside in (
        (1, "member_removed", OTHER, True),
        (2, "member_removed", ME, False),
        (3, "member_added", OTHER, False),
        (4, "member_added", ME, True),
    ):
        store.apply({"type": kind, "conversation_id": HERE, "seq": seq, "user_ids": [who]})
        assert (HERE in store.cursors()) is inside


def test_leaving_ends_the_wait_for_what_is_missing(log: Log) -> None:
    store = begun()
    store.apply(log.live(2))
    assert seqs(store.conversation(HERE).leave()) == [2]
    assert store.conversation(HERE).gap is None
    assert store.cursors() == {}
    assert store.conversation(HERE).leave() == []


def test_a_creation_has_no_number_and_is_handed_out_once() -> None:
    store = Store()
    frame = {"type": "conversation_created", "conversation_id": HERE, "seq": 0}
    frame |= {"conversation": {"title": "New", "last_seq": 1}, "message": None}
    assert store.apply(frame) == [frame]
    assert store.apply(frame) == []
    assert store.cursors() == {}


def test_a_conversation_that_was_deleted_is_gone(log: Log) -> None:
    store = begun()
    store.apply(log.live(1))
    frame = {"type": "conversation_deleted", "conversation_id": HERE}
    assert store.apply(frame) == [frame]
    assert store.conversations == {}
    assert store.apply(frame) == [frame]
    assert store.conversations == {}


def test_the_newest_words_about_a_conversation_count() -> None:
    store = begun()
    for seq, title in ((2, "New"), (1, "Old")):
        told = {"type": "conversation_updated", "conversation_id": HERE, "seq": seq}
        store.apply(told | {"conversation": {"title": title, "last_seq": seq}})
    assert store.conversation(HERE).info == {"title": "New", "last_seq": 2}
    assert store.conversation(THERE).info is None


def test_what_is_about_no_conversation_passes() -> None:
    frame = {"type": "error", "error": "validation_error"}
    assert Store().apply(frame) == [frame]
