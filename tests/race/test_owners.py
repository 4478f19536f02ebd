"""A group with members keeps an owner, whoever goes at the same time."""

import pytest

from tests.race.steps import Cast, Person, Step, both_orders, meet, said


class Group:
    """A group of two owners and a plain member."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.ann, self.bob, self.cleo = cast.people("ann", "bob", "cleo")
        self.chat = self.ann.opens_group(self.bob, self.cleo).succeed()["conversation_id"]
        self.ann.makes(self.chat, self.bob, "owner").succeed()

    def goes(self, person: Person, how: str) -> Step:
        """Name a way in which somebody stops being an owner."""
        return {
            "leaves": lambda: person.leaves(self.chat),
            "is demoted": lambda: person.makes(self.chat, person, "member"),
            "is deactivated": lambda: self.cast.deactivates(person),
        }[how]()


WAYS = ["leaves", "is demoted", "is deactivated"]
ways = pytest.mark.parametrize("how", WAYS)
other_ways = pytest.mark.parametrize("other_how", WAYS)


@ways
@other_ways
@both_orders
def test_two_owners_do_not_both_go_while_a_member_stays(
    cast: Cast, how: str, other_how: str, swapped: bool
) -> None:
    group = Group(cast)
    one, other = meet(group.goes(group.ann, how), group.goes(group.bob, other_how), swapped=swapped)
    first, second = (other, one) if swapped else (one, other)
    assert (said(first), said(second)) == ("done", "last_owner")
    assert cast.owners(group.chat) == {group.ann.id if swapped else group.bob.id}


@ways
@other_ways
def test_owner_may_go_when_the_going_of_the_other_is_rolled_back(
    cast: Cast, how: str, other_how: str
) -> None:
    group = Group(cast)
    one, other = meet(
        group.goes(group.ann, how), group.goes(group.bob, other_how), ending="rollback"
    )
    assert (said(one), said(other)) == ("done", "done")
    assert cast.owners(group.chat) == {group.ann.id}


def test_two_owners_who_demote_each_other_leave_one(cast: Cast) -> None:
    group = Group(cast)
    one, other = meet(
        group.ann.makes(group.chat, group.bob, "member"),
        group.bob.makes(group.chat, group.ann, "member"),
    )
    assert (said(one), said(other)) == ("done", "permission_denied")
    assert cast.owners(group.chat) == {group.ann.id}


@both_orders
def test_two_owners_who_remove_each_other_leave_one(cast: Cast, swapped: bool) -> None:
    group = Group(cast)
    answers = meet(
        group.ann.removes(group.chat, group.bob),
        group.bob.removes(group.chat, group.ann),
        swapped=swapped,
    )
    assert sorted(said(one) for one in answers) == ["done", "not_a_member"]
    assert len(cast.owners(group.chat)) == 1


def test_two_owners_are_erased_at_once_and_a_member_inherits(cast: Cast) -> None:
    group = Group(cast)
    answers = meet(cast.erases(group.ann), cast.erases(group.bob))
    assert [said(one) for one in answers] == ["done", "done"]
    assert cast.owners(group.chat) == {group.cleo.id}


@both_orders
@ways
def test_owner_is_erased_while_the_other_goes(cast: Cast, swapped: bool, how: str) -> None:
    group = Group(cast)
    erasing, going = meet(cast.erases(group.ann), group.goes(group.bob, how), swapped=swapped)
    assert said(erasing) == "done"
    assert said(going) == ("done" if swapped else "last_owner")
    heir = group.cleo if swapped and how != "is demoted" else group.bob
    assert cast.owners(group.chat) == {heir.id}


@both_orders
def test_last_owner_is_erased_while_somebody_joins(cast: Cast, swapped: bool) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    ann.makes(chat, bob, "admin").succeed()
    erasing, joining = meet(cast.erases(ann), bob.adds(chat, cleo), swapped=swapped)
    assert (said(erasing), said(joining)) == ("done", "done")
    assert cast.owners(chat) == {bob.id}
    assert cast.members(chat) == {bob.id, cleo.id}


@both_orders
def test_last_owner_is_erased_while_the_heir_leaves(cast: Cast, swapped: bool) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    chat = ann.opens_group(bob, cleo).succeed()["conversation_id"]
    ann.makes(chat, bob, "admin").succeed()
    erasing, leaving = meet(cast.erases(ann), bob.leaves(chat), swapped=swapped)
    assert (said(erasing), said(leaving)) == ("done", "done" if swapped else "last_owner")
    assert cast.owners(chat) == {cleo.id if swapped else bob.id}


def test_last_owner_is_erased_while_the_heir_sends(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    sending, erasing = meet(bob.sends(chat), cast.erases(ann))
    assert (said(sending), said(erasing)) == ("done", "done")
    assert cast.owners(chat) == {bob.id}


@both_orders
def test_owner_leaves_after_the_last_other_or_not_at_all(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    leaving, going = meet(ann.leaves(chat), bob.leaves(chat), swapped=swapped)
    assert (said(leaving), said(going)) == ("done" if swapped else "last_owner", "done")
    assert cast.owners(chat) == (set() if swapped else {ann.id})


@both_orders
def test_new_owner_lets_the_old_one_leave(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    promoting, leaving = meet(
        ann.makes(chat, bob, "owner"), ann.device().leaves(chat), swapped=swapped
    )
    assert (said(promoting), said(leaving)) == ("done", "last_owner" if swapped else "done")
    assert bob.id in cast.owners(chat)


def test_only_member_of_a_group_stays_its_owner(cast: Cast) -> None:
    (ann,) = cast.people("ann")
    chat = ann.opens_group().succeed()["conversation_id"]
    ann.makes(chat, ann, "member").refuse("last_owner")


@pytest.mark.parametrize(("ending", "answer"), [("commit", "duplicate"), ("rollback", "done")])
def test_person_deactivated_twice_at_once_leaves_once(cast: Cast, ending: str, answer: str) -> None:
    group = Group(cast)
    one, other = meet(cast.deactivates(group.cleo), cast.deactivates(group.cleo), ending=ending)
    assert (said(one), said(other)) == ("done", answer)


@both_orders
def test_person_deactivated_and_erased_at_once_leaves_once(cast: Cast, swapped: bool) -> None:
    group = Group(cast)
    retiring, erasing = meet(cast.deactivates(group.cleo), cast.erases(group.cleo), swapped=swapped)
    assert (said(retiring), said(erasing)) == ("duplicate" if swapped else "done", "done")
