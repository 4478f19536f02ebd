"""Answers in ChatKit's events: begun, cut short, tried again."""

from tests.chatkit.support import Widget, text_of, told, typed
from tests.rpc.assistant import runs
from tests.support import at_once, succeed, wait_for


def test_a_question_is_answered_piece_by_piece(widget: Widget) -> None:
    events = widget.stream("threads.create", input=typed("why?"))
    thread = events.next("thread.created")["thread"]
    question = events.next("thread.item.done")["item"]
    assert (question["type"], text_of(question)) == ("user_message", "why?")
    assert events.next("stream_options") == {
        "type": "stream_options",
        "stream_options": {"allow_cancel": True},
    }
    run = widget.work(thread["id"])
    runs.say(widget.db, run, "Be")
    added = events.next("thread.item.added")["item"]
    assert (added["id"], added["type"], added["content"]) == (run["id"], "assistant_message", [])
    part = events.next("thread.item.updated")
    assert part["item_id"] == run["id"]
    assert part["update"]["type"] == "assistant_message.content_part.added"
    assert events.next("thread.item.updated")["update"] == {
        "type": "assistant_message.content_part.text_delta",
        "content_index": 0,
        "delta": "Be",
    }
    runs.say(widget.db, run, "cause 🙂")
    assert events.next("thread.item.updated")["update"]["delta"] == "cause 🙂"
    runs.complete(widget.db, run)
    done = events.next("thread.item.done")["item"]
    assert (done["id"], text_of(done)) == (run["id"], "Because 🙂")
    assert list(events) == []
    assert widget.items(thread["id"]) == [question, done]
