"""Two callers write to one conversation."""

import pytest

from tests.race.steps import Cast, both_orders, meet, said
from tests.support import at_once


@both_orders
def test_two_senders_take_numbers_in_the_order_they_commit(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob).succeed()["conversation_id"]
    one, other = meet(ann.sends(chat), bob.sends(chat), swapped=swapped)
    assert (one["message"]["seq"], other["message"]["seq"]) == ((2, 1) if swapped else (1, 2))


def test_number_of_a_message_that_is_rolled_back_is_used_by_the_next(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob).succeed()["conversation_id"]
    _, other = meet(ann.sends(chat), bob.sends(chat), ending="rollback")
    assert other["message"]["seq"] == 1


@both_orders
def test_message_comes_before_closing_or_is_refused(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob).succeed()["conversation_id"]
    sending, closing = meet(ann.sends(chat), bob.closes(chat), swapped=swapped)
    assert (said(sending), said(closing)) == ("conversation_closed" if swapped else "done", "done")


def test_closing_that_is_rolled_back_lets_the_message_through(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob).succeed()["conversation_id"]
    _, sending = meet(bob.closes(chat), ann.sends(chat), ending="rollback")
    assert said(sending) == "done"


@pytest.mark.parametrize(("ending", "answer"), [("commit", "duplicate"), ("rollback", "done")])
def test_retry_beside_the_first_try_is_one_message(cast: Cast, ending: str, answer: str) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob).succeed()["conversation_id"]
    one, other = meet(
        ann.sends(chat, "once", "k"), ann.device().sends(chat, "once", "k"), ending=ending
    )
    assert (said(one), said(other)) == ("done", answer)
    assert (one["message"]["id"] == other["message"]["id"]) == (ending == "commit")
    assert [seen["content"] for seen in bob.sees(chat)] == ["once"]


@pytest.mark.parametrize(
    ("ending", "answer"), [("commit", "idempotency_conflict"), ("rollback", "done")]
)
def test_key_with_other_content_beside_the_first_is_a_conflict(
    cast: Cast, ending: str, answer: str
) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob).succeed()["conversation_id"]
    one, other = meet(
        ann.sends(chat, "one", "k"), ann.device().sends(chat, "other", "k"), ending=ending
    )
    assert (said(one), said(other)) == ("done", answer)
    assert len(bob.sees(chat)) == 1


def test_many_retries_at_once_are_one_message(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob).succeed()["conversation_id"]
    steps = [ann.device().sends(chat, "once", "k") for _ in range(6)]
    answers = at_once([step.run for step in steps])
    assert sorted(said(one) for one in answers) == ["done", *["duplicate"] * 5]
    assert len({one["message"]["id"] for one in answers}) == 1


def test_two_senders_may_use_the_same_key(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob).succeed()["conversation_id"]
    answers = meet(ann.sends(chat, "one", "k"), bob.sends(chat, "other", "k"))
    assert [said(one) for one in answers] == ["done", "done"]


@both_orders
@pytest.mark.parametrize("kind", ["direct", "group"])
def test_message_comes_before_deactivation_or_is_refused(
    cast: Cast, swapped: bool, kind: str
) -> None:
    ann, bob = cast.people("ann", "bob")
    opening = ann.opens_direct(bob) if kind == "direct" else ann.opens_group(bob)
    chat = opening.succeed()["conversation_id"]
    sending, retiring = meet(bob.sends(chat), cast.deactivates(bob), swapped=swapped)
    assert (said(sending), said(retiring)) == ("permission_denied" if swapped else "done", "done")


@both_orders
@pytest.mark.parametrize("kind", ["direct", "group"])
def test_message_in_flight_is_erased_or_refused(cast: Cast, swapped: bool, kind: str) -> None:
    ann, bob = cast.people("ann", "bob")
    opening = ann.opens_direct(bob) if kind == "direct" else ann.opens_group(bob)
    chat = opening.succeed()["conversation_id"]
    sending, erasing = meet(bob.sends(chat, "secret"), cast.erases(bob), swapped=swapped)
    assert (said(sending), said(erasing)) == ("permission_denied" if swapped else "done", "done")
    assert erasing["affected_count"] == (0 if swapped else 1)
    assert "secret" not in [seen["content"] for seen in ann.sees(chat)]


@pytest.mark.parametrize(
    ("swapped", "ending", "left"),
    [
        (False, "commit", ["new"]),
        (False, "rollback", []),
        (True, "commit", ["new"]),
        (True, "rollback", ["old", "new"]),
    ],
)
def test_purge_takes_what_was_there_when_it_began(
    cast: Cast, swapped: bool, ending: str, left: list[str]
) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob, "old").succeed()["conversation_id"]
    answers = meet(ann.sends(chat, "new"), cast.purges(chat), swapped=swapped, ending=ending)
    assert [said(one) for one in answers] == ["done", "done"]
    assert [seen["content"] for seen in bob.sees(chat)] == left


@both_orders
def test_reply_is_sent_before_its_message_is_purged_or_refused(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    opened = ann.opens_direct(bob, "old").succeed()
    reply = bob.sends(opened["conversation_id"], "new", reply_to_id=opened["message"]["id"])
    sending, purging = meet(reply, cast.purges(opened["conversation_id"]), swapped=swapped)
    assert (said(sending), said(purging)) == ("validation_error" if swapped else "done", "done")


def test_two_purges_at_once_delete_each_message_once(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob, "old").succeed()["conversation_id"]
    one, other = meet(cast.purges(chat), cast.purges(chat))
    assert (one["affected_count"], other["affected_count"]) == (1, 0)
    assert (one["conversations"], other["conversations"]) == (1, 0)
