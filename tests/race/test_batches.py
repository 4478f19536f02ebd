"""Batches beside batches, single sends and changes of members: nothing waits in a circle."""

from tests.race.steps import Cast, Person, Step, both_orders, meet, said
from tests.support import Json, at_once

ROUNDS = 15


def _batch(cast: Cast, *sends: Step) -> Step:
    """Name a batch of sends."""
    return cast.operation(
        "send_messages_atomic",
        messages=[{f"p_{name}": value for name, value in send.arguments.items()} for send in sends],
    )


def _groups(owner: Person, *members: Person) -> list[str]:
    """Open several groups of the same people."""
    ids = [owner.opens_group(*members).succeed()["conversation_id"] for _ in range(4)]
    return sorted(ids)


def _told(answer: Json) -> list[str]:
    return [said(one) for one in answer["results"]]


@both_orders
def test_retried_batch_beside_the_first_is_sent_once(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chats = _groups(ann, bob)
    sends = [person.sends(chat, "once", "k") for chat in chats for person in (ann, bob)]
    one, other = meet(_batch(cast, *sends), _batch(cast, *reversed(sends)), swapped=swapped)
    first, second = (other, one) if swapped else (one, other)
    assert _told(first) == ["done"] * 8
    assert _told(second) == ["duplicate"] * 8
    assert [len(bob.sees(chat)) for chat in chats] == [2, 2, 2, 2]


@both_orders
def test_batch_and_single_send_with_one_key_are_one_message(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat, other_chat, *_ = _groups(ann, bob)
    batch = _batch(cast, ann.sends(other_chat), ann.sends(chat, "once", "k"))
    answer, single = meet(batch, ann.sends(chat, "once", "k"), swapped=swapped)
    assert sorted([_told(answer)[1], said(single)]) == ["done", "duplicate"]


@both_orders
def test_removed_members_part_of_a_batch_comes_before_or_is_refused(
    cast: Cast, swapped: bool
) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    batch = _batch(cast, bob.sends(chat), ann.sends(chat))
    answer, _ = meet(batch, ann.removes(chat, bob), swapped=swapped)
    assert _told(answer) == ["not_a_member" if swapped else "done", "done"]


def test_batches_in_opposite_order_do_not_deadlock(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chats = _groups(ann, bob)
    forth = _batch(cast, *[ann.sends(chat) for chat in chats])
    shouted = [chat.upper() if place % 2 else chat for place, chat in enumerate(chats)]
    back = _batch(cast, *[bob.sends(chat) for chat in reversed(shouted)])

    def send(batch: Step) -> list[str]:
        return [told for _ in range(ROUNDS) for told in _told(batch.succeed())]

    told = at_once([lambda: send(forth), lambda: send(back)])
    assert told == [["done"] * 4 * ROUNDS] * 2


def test_batches_sends_and_changes_of_members_do_not_deadlock(cast: Cast) -> None:
    people = cast.people("owner", "admin", "ann", "bob", "cleo")
    owner, admin, *others = people
    chats = _groups(owner, admin, *others)
    for chat in chats:
        owner.makes(chat, admin, "admin").succeed()
    sends = [person.sends(chat) for chat in chats for person in people]
    tasks = [
        [_batch(cast, *sends)],
        [_batch(cast, *reversed(sends))],
        [ann.sends(chat) for chat in chats for ann in [others[0]]],
        [owner.removes(chat, bob) for chat in chats for bob in [others[1]]],
        [admin.adds(chat, *reversed(others)) for chat in reversed(chats)],
        [others[2].reads(chat) for chat in chats],
        [cast.purges(chats[0]), cast.operation("purge_messages_atomic", before="now")],
    ]

    def repeat(steps: list[Step]) -> list[Json]:
        return [step.run() for _ in range(ROUNDS) for step in steps]

    answers = at_once([lambda steps=steps: repeat(steps) for steps in tasks])  # type: ignore[misc]
    allowed = {"done", "duplicate", "not_a_member"}
    assert {said(one) for told in answers for one in told} <= allowed
