"""Reading while others write, and on two devices."""

import pytest

from tests.race.steps import Cast, Step, both_orders, meet, pass_by, said
from tests.support import at_once


class Reading:
    """A direct conversation with five messages to read."""

    def __init__(self, cast: Cast) -> None:
        self.ann, self.bob = cast.people("ann", "bob")
        self.chat: str = self.ann.opens_direct(self.bob).succeed()["conversation_id"]
        for number in range(1, 6):
            self.ann.sends(self.chat, str(number)).succeed()


@pytest.fixture
def reading(cast: Cast) -> Reading:
    return Reading(cast)


@both_orders
def test_what_arrives_while_marking_stays_unread(reading: Reading, swapped: bool) -> None:
    marking, sending = pass_by(
        reading.bob.reads(reading.chat), reading.ann.sends(reading.chat, "6"), swapped=swapped
    )
    assert (said(marking), said(sending)) == ("done", "done")
    assert (marking["read_seq"], marking["unread_count"]) == (5, 0)
    assert reading.bob.unread(reading.chat) == 1


@both_orders
@pytest.mark.parametrize("verb", ["read", "delivered"])
def test_two_marks_racing_do_not_go_back(reading: Reading, swapped: bool, verb: str) -> None:
    def mark(seq: int) -> Step:
        return reading.bob.device().step(
            f"mark_{verb}_atomic", conversation_id=reading.chat, seq=seq
        )

    later, earlier = meet(mark(5), mark(3), swapped=swapped)
    assert later[f"{verb}_seq"] == 5
    assert earlier[f"{verb}_seq"] == (3 if swapped else 5)
    assert mark(0).succeed()[f"{verb}_seq"] == 5


def test_mark_that_is_rolled_back_leaves_the_other(reading: Reading) -> None:
    _, other = meet(
        reading.bob.reads(reading.chat, 5),
        reading.bob.device().reads(reading.chat, 3),
        ending="rollback",
    )
    assert (other["read_seq"], other["unread_count"]) == (3, 2)


def test_marks_of_many_devices_end_at_the_furthest(reading: Reading) -> None:
    steps = [reading.bob.device().reads(reading.chat, seq) for seq in (2, 5, 1, 4, 3)]
    answers = at_once([step.run for step in steps])
    assert max(one["read_seq"] for one in answers) == 5
    assert reading.bob.reads(reading.chat, 1).succeed()["read_seq"] == 5


@both_orders
def test_marking_and_deleting_agree_on_what_is_unread(reading: Reading, swapped: bool) -> None:
    message = reading.ann.sees(reading.chat)[-1]
    marking, _ = pass_by(
        reading.bob.reads(reading.chat, 3), reading.ann.deletes(message), swapped=swapped
    )
    assert marking["unread_count"] == 2
    assert reading.bob.unread(reading.chat) == 1


@both_orders
def test_purge_moves_a_mark_that_lags_and_no_other(
    cast: Cast, reading: Reading, swapped: bool
) -> None:
    marking, _ = meet(
        reading.bob.reads(reading.chat, 3), cast.purges(reading.chat), swapped=swapped
    )
    assert marking["read_seq"] == (5 if swapped else 3)
    assert reading.bob.reads(reading.chat, 1).succeed()["read_seq"] == 5
    assert reading.bob.unread(reading.chat) == 0


def test_own_message_in_flight_is_counted_once_when_marking(reading: Reading) -> None:
    sending, marking = meet(
        reading.bob.sends(reading.chat, "mine"), reading.bob.device().reads(reading.chat, 5)
    )
    assert (said(sending), marking["unread_count"]) == ("done", 0)
    reading.ann.sends(reading.chat, "after").succeed()
    assert reading.bob.unread(reading.chat) == 1


def test_counts_stay_exact_while_others_send_and_delete(cast: Cast) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    chat = ann.opens_group(bob, cleo).succeed()["conversation_id"]

    def write() -> list[int]:
        for _ in range(60):
            ann.deletes(ann.sends(chat).succeed()["message"]).succeed()
        return []

    def mark() -> list[int]:
        return [bob.reads(chat, 0).succeed()["unread_count"] for _ in range(150)]

    _, counts = at_once([write, mark])
    assert set(counts) <= {0, 1}
