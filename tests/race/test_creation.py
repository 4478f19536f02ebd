"""Two callers open what may exist only once."""

import pytest

from tests.race.steps import Cast, Person, Step, both_orders, meet, said
from tests.support import Json, at_once


@both_orders
def test_direct_opened_by_both_sides_at_once_is_one(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    one, other = meet(ann.opens_direct(bob, "hi"), bob.opens_direct(ann, "hello"), swapped=swapped)
    first, second = (other, one) if swapped else (one, other)
    assert (said(first), said(second)) == ("done", "conversation_exists")
    assert second["details"]["conversation_id"] == first["conversation_id"]
    assert cast.members(first["conversation_id"]) == {ann.id, bob.id}


def test_direct_whose_first_opening_is_rolled_back_is_opened_by_the_second(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    one, other = meet(
        ann.opens_direct(bob, "hi"), bob.opens_direct(ann, "hello"), ending="rollback"
    )
    assert (said(one), said(other)) == ("done", "done")
    assert [seen["content"] for seen in ann.sees(other["conversation_id"])] == ["hello"]


def test_directs_of_everybody_with_everybody_open_once_each(cast: Cast) -> None:
    people = cast.people(*"abcdef")

    def open_all(place: int) -> list[str]:
        others = people[place + 1 :] + people[:place]
        return [said(people[place].opens_direct(other, "hi").run()) for other in others]

    answers = at_once([lambda place=place: open_all(place) for place in range(6)])  # type: ignore[misc]
    told = [answer for one in answers for answer in one]
    assert sorted(told) == ["conversation_exists"] * 15 + ["done"] * 15


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_help_conversation_opened_twice_at_once_is_one(cast: Cast, ending: str) -> None:
    ann, bob = cast.people("ann", "bob")
    request = ann.asks_for_help().succeed()["help_request_id"]
    one, other = meet(bob.helps(request), bob.device().helps(request), ending=ending)
    assert said(one) == "done"
    if ending == "commit":
        assert said(other) == "conversation_exists"
        assert other["details"]["conversation_id"] == one["conversation_id"]
    else:
        assert said(other) == "done"


def test_two_helpers_at_once_have_a_conversation_each(cast: Cast) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    request = ann.asks_for_help().succeed()["help_request_id"]
    answers = at_once([bob.helps(request).run, cleo.helps(request).run])
    assert [said(one) for one in answers] == ["done", "done"]
    assert len({one["conversation_id"] for one in answers}) == 2


@both_orders
def test_conversation_opens_before_its_request_closes_or_not(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    request = ann.asks_for_help().succeed()["help_request_id"]
    opening, closing = meet(bob.helps(request), ann.closes_request(request), swapped=swapped)
    assert said(closing) == "done"
    assert said(opening) == ("conversation_closed" if swapped else "done")


def test_closing_a_request_that_is_rolled_back_stops_nobody(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    request = ann.asks_for_help().succeed()["help_request_id"]
    _, opening = meet(ann.closes_request(request), bob.helps(request), ending="rollback")
    assert said(opening) == "done"


@both_orders
def test_group_created_twice_with_one_key_is_one(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    one, other = meet(
        ann.opens_group(bob, key="k"), ann.device().opens_group(bob, key="k"), swapped=swapped
    )
    assert sorted([said(one), said(other)]) == ["done", "duplicate"]
    assert one["conversation_id"] == other["conversation_id"]


@pytest.mark.parametrize(
    ("ending", "answer"), [("commit", "idempotency_conflict"), ("rollback", "done")]
)
def test_key_of_a_group_is_not_for_another_group(cast: Cast, ending: str, answer: str) -> None:
    ann, bob = cast.people("ann", "bob")
    one = ann.opens_group(bob, key="k", title="One")
    other = ann.device().opens_group(bob, key="k", title="Other")
    first, second = meet(one, other, ending=ending)
    assert (said(first), said(second)) == ("done", answer)


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_help_request_asked_twice_with_one_key_is_one(cast: Cast, ending: str) -> None:
    (ann,) = cast.people("ann")
    one, other = meet(ann.asks_for_help("k"), ann.device().asks_for_help("k"), ending=ending)
    assert said(one) == "done"
    assert said(other) == ("duplicate" if ending == "commit" else "done")
    assert (one["help_request_id"] == other["help_request_id"]) == (ending == "commit")


@pytest.mark.parametrize("kind", ["direct", "group", "help"])
def test_one_key_in_many_hands_makes_one_conversation(cast: Cast, kind: str) -> None:
    ann, *others = cast.people(*"abcdefgh")
    hands = [ann.device() for _ in range(8)]

    def opening(hand: Person, other: Person, number: int) -> Step:
        if kind == "group":
            return hand.opens_group(other, key=str(number))
        about: Json = {"kind": "direct", "member_ids": [other.id]}
        if kind == "help":
            about = {"help_request_id": requests[other.id], "initial_message": "I can help"}
        return hand.step("create_conversation_atomic", client_key=str(number), **about)

    requests = {
        other.id: other.asks_for_help().succeed()["help_request_id"]
        for other in others
        if kind == "help"
    }
    for number in range(40 if kind == "group" else len(others)):
        other = others[number % len(others)]
        answers = at_once([opening(hand, other, number).run for hand in hands])
        assert sorted(said(one) for one in answers) == ["done", *["duplicate"] * 7]
        assert len({one["conversation_id"] for one in answers}) == 1
