"""A block takes effect at one moment: what is in flight comes before it, or is refused."""

import pytest

from tests.race.steps import Cast, Person, both_orders, meet, pass_by, said


def _conversation_of_two(kind: str, one: Person, other: Person) -> str:
    if kind == "direct":
        opening = one.opens_direct(other, "hi")
    else:
        opening = other.helps(one.asks_for_help().succeed()["help_request_id"])
    conversation_id: str = opening.succeed()["conversation_id"]
    return conversation_id


@both_orders
@pytest.mark.parametrize("blocker", ["opener", "other"])
def test_direct_opens_before_a_block_or_not(cast: Cast, swapped: bool, blocker: str) -> None:
    ann, bob = cast.people("ann", "bob")
    block = ann.device().blocks(bob) if blocker == "opener" else bob.blocks(ann)
    opening, blocking = meet(ann.opens_direct(bob, "hi"), block, swapped=swapped)
    assert said(blocking) == "done"
    assert said(opening) == ("blocked" if swapped else "done")
    if not swapped:
        ann.sends(opening["conversation_id"]).refuse("blocked")


@both_orders
def test_help_conversation_opens_before_a_block_or_not(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    request = ann.asks_for_help().succeed()["help_request_id"]
    opening, blocking = meet(bob.helps(request), ann.blocks(bob), swapped=swapped)
    assert (said(opening), said(blocking)) == ("blocked" if swapped else "done", "done")


@both_orders
@pytest.mark.parametrize("kind", ["direct", "help"])
@pytest.mark.parametrize("blocker", ["sender", "other"])
def test_message_comes_before_a_block_or_is_refused(
    cast: Cast, swapped: bool, kind: str, blocker: str
) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = _conversation_of_two(kind, ann, bob)
    block = bob.device().blocks(ann) if blocker == "sender" else ann.blocks(bob)
    sending, blocking = meet(bob.sends(chat, "in flight"), block, swapped=swapped)
    assert said(blocking) == "done"
    assert said(sending) == ("blocked" if swapped else "done")
    assert ("in flight" in [seen["content"] for seen in ann.sees(chat)]) == (not swapped)


def test_block_that_is_rolled_back_lets_the_message_through(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = _conversation_of_two("direct", ann, bob)
    _, sending = meet(ann.blocks(bob), bob.sends(chat), ending="rollback")
    assert said(sending) == "done"


@both_orders
def test_reaction_comes_before_a_block_or_is_refused(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = _conversation_of_two("direct", ann, bob)
    message = ann.sends(chat).succeed()["message"]
    reacting, _ = meet(bob.reacts(message, "👍"), ann.blocks(bob), swapped=swapped)
    assert said(reacting) == ("blocked" if swapped else "done")


@both_orders
def test_block_and_send_in_a_group_do_not_wait_for_each_other(cast: Cast, swapped: bool) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    chat = ann.opens_group(bob, cleo).succeed()["conversation_id"]
    answers = pass_by(bob.sends(chat, "before"), ann.blocks(bob), swapped=swapped)
    assert [said(one) for one in answers] == ["done", "done"]
    after = bob.sends(chat, "after").succeed()["message"]
    assert [seen["content"] for seen in ann.sees(chat)] == ["before"]
    assert [seen["content"] for seen in cleo.sees(chat)] == ["before", "after"]
    assert (ann.unread(chat), cleo.unread(chat)) == (1, 2)
    status = bob.step("get_message_status", conversation_id=chat, message_id=after["id"]).succeed()
    assert [one["user_id"] for one in status["members"]] == [cleo.id]


@pytest.mark.parametrize(("ending", "answer"), [("commit", "duplicate"), ("rollback", "done")])
def test_block_set_twice_at_once_is_one(cast: Cast, ending: str, answer: str) -> None:
    ann, bob = cast.people("ann", "bob")
    one, other = meet(ann.blocks(bob), ann.device().blocks(bob), ending=ending)
    assert (said(one), said(other)) == ("done", answer)


def test_two_block_each_other_at_once(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    answers = meet(ann.blocks(bob), bob.blocks(ann))
    assert [said(one) for one in answers] == ["done", "done"]


@both_orders
def test_block_of_somebody_who_is_being_erased_leaves_no_trace(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    blocking, erasing = meet(ann.blocks(bob), cast.erases(ann), swapped=swapped)
    assert said(erasing) == "done"
    assert said(blocking) == ("permission_denied" if swapped else "done")
    assert cast.rows("select 1 from chat.blocks where blocker_id = %s", ann.id) == []


def test_two_who_blocked_each_other_are_erased_at_once(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    ann.blocks(bob).succeed()
    bob.blocks(ann).succeed()
    answers = meet(cast.erases(bob), cast.erases(ann))
    assert [said(one) for one in answers] == ["done", "done"]
