"""The verdict on sockets finds whatever could be wrong with them."""

from collections.abc import Callable

import pytest

from tests.chaos.readers import Epoch, Seen
from tests.chaos.verdict import Entry, Truth, judge

US, THEM, ROOM = "us", "them", "room"
LOG = {
    1: Entry("message_created", "m1", 1),
    2: Entry("message_created", "m2", 2),
    3: Entry("message_edited", "m1", 1),
    4: Entry("message_created", "m4", 4),
    5: Entry("member_removed", "m5", 5),
    6: Entry("message_created", "m6", 6),
    7: Entry("member_added", "m7", 7),
    8: Entry("message_created", "m8", 8),
}


def truth() -> Truth:
    return Truth({ROOM: LOG}, {(ROOM, US, 2)}, {(ROOM, US): None}, set())


def shown(seq: int) -> Seen:
    entry = LOG[seq]
    if seq == 2:
        return Seen("skip", ROOM, 2)
    about_us = (US,) if entry.kind.startswith("member") else ()
    return Seen(entry.kind, ROOM, seq, entry.message_id, about_us)


def right() -> list[Epoch]:
    """Broken off after 3; out at 5, back at 7."""
    return [
        Epoch("one", {}, {ROOM: 0}, [shown(1), shown(2), shown(3)]),
        Epoch("two", {ROOM: 3}, {ROOM: 4}, [shown(4), shown(5), shown(7), shown(8)]),
    ]


def test_what_is_right_is_found_right() -> None:
    assert list(judge(US, right(), truth(), resynced=False)) == []


Wrong = Callable[[list[Epoch]], object]
WRONG: dict[str, Wrong] = {
    "lost": lambda epochs: epochs[0].frames.pop(1),
    "lost at the end": lambda epochs: epochs[1].frames.pop(),
    "doubled": lambda epochs: epochs[1].frames.insert(1, shown(4)),
    "doubled by resuming": lambda epochs: epochs[1].frames.insert(0, shown(3)),
    "out of order": lambda epochs: epochs[0].frames.reverse(),
    "shown though hidden": lambda epochs: epochs[0].frames.__setitem__(
        1, Seen("message_created", ROOM, 2, "m2")
    ),
    "hidden though visible": lambda epochs: epochs[1].frames.__setitem__(0, Seen("skip", ROOM, 4)),
    "of another message": lambda epochs: epochs[1].frames.__setitem__(
        3, Seen("message_created", ROOM, 8, "m9")
    ),
    "after the removal": lambda epochs: epochs[1].frames.insert(2, shown(6)),
    "typing after the removal": lambda epochs: epochs[1].frames.insert(2, Seen("typing", ROOM)),
    "beyond the log": lambda epochs: epochs[1].frames.append(
        Seen("message_created", ROOM, 9, "m9")
    ),
    "of a room we are not in": lambda epochs: epochs[0].frames.append(Seen("typing", "elsewhere")),
    "told to refetch": lambda epochs: epochs[1].frames.append(Seen("reset", ROOM, 8)),
    "gone back": lambda epochs: epochs[1].__setattr__("ready", {ROOM: 2}),
    "resumed elsewhere": lambda epochs: epochs[1].__setattr__("cursors", {ROOM: 2}),
}


@pytest.mark.parametrize("wrong", list(WRONG))
def test_what_is_wrong_is_found(wrong: str) -> None:
    epochs = right()
    WRONG[wrong](epochs)
    assert list(judge(US, epochs, truth(), resynced=False))
