"""Two callers change who is in a group."""

import random

import pytest

from tests.race.steps import Cast, both_orders, meet, said
from tests.support import at_once, new_users


def test_twenty_added_by_several_at_once_are_added_once_each(cast: Cast) -> None:
    owner, *admins = cast.people("o", *"abcd")
    chat = owner.opens_group(*admins).succeed()["conversation_id"]
    for admin in admins:
        owner.makes(chat, admin, "admin").succeed()
    wanted = new_users(cast.service.connection, 20)
    adders = [owner, *admins, *[admin.device() for admin in admins]]
    steps = [
        adder.step("add_members_atomic", conversation_id=chat, member_ids=random.sample(wanted, 20))
        for adder in adders
    ]
    answers = at_once([step.run for step in steps])
    assert all(one["success"] for one in answers), answers
    assert sum(one["affected_count"] for one in answers) == 20
    assert sorted(user for one in answers for user in one["added"]) == sorted(wanted)
    told = [
        user
        for seen in owner.sees(chat)
        if seen["metadata"].get("event") == "member_added"
        for user in seen["metadata"]["user_ids"]
    ]
    assert sorted(told) == sorted(wanted)
    assert cast.members(chat) == {*wanted, owner.id, *[admin.id for admin in admins]}


def test_overlapping_additions_at_once_add_each_once(cast: Cast) -> None:
    owner, *others = cast.people("o", *"abc")
    chat = owner.opens_group(*others).succeed()["conversation_id"]
    wanted = new_users(cast.service.connection, 20)
    devices = [owner.device() for _ in range(6)]
    steps = [
        device.step("add_members_atomic", conversation_id=chat, member_ids=random.sample(wanted, 9))
        for device in devices
    ]
    asked = {user for step in steps for user in step.arguments["member_ids"]}
    answers = at_once([step.run for step in steps])
    assert sum(one["affected_count"] for one in answers) == len(asked)
    assert cast.members(chat) == {*asked, owner.id, *[other.id for other in others]}


@pytest.mark.parametrize(("ending", "answer"), [("commit", "duplicate"), ("rollback", "done")])
def test_person_added_by_two_at_once_is_added_once(cast: Cast, ending: str, answer: str) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group().succeed()["conversation_id"]
    one, other = meet(ann.adds(chat, bob), ann.device().adds(chat, bob), ending=ending)
    assert (said(one), said(other)) == ("done", answer)
    assert cast.members(chat) == {ann.id, bob.id}


@both_orders
def test_member_added_again_and_removed_at_once(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    adding, removing = meet(ann.adds(chat, bob), ann.device().removes(chat, bob), swapped=swapped)
    assert (said(adding), said(removing)) == ("done" if swapped else "duplicate", "done")
    assert (bob.id in cast.members(chat)) == swapped


def test_removal_that_began_before_somebody_was_added_finds_nobody(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group().succeed()["conversation_id"]
    adding, removing = meet(ann.adds(chat, bob), ann.device().removes(chat, bob))
    assert (said(adding), said(removing)) == ("done", "not_found")
    assert cast.members(chat) == {ann.id, bob.id}


@both_orders
def test_somebody_who_is_being_deactivated_ends_up_in_no_group(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group().succeed()["conversation_id"]
    adding, retiring = meet(ann.adds(chat, bob), cast.deactivates(bob), swapped=swapped)
    assert (said(adding), said(retiring)) == ("not_found" if swapped else "done", "done")
    assert cast.members(chat) == {ann.id}


def test_deactivation_that_is_rolled_back_stops_no_addition(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group().succeed()["conversation_id"]
    _, adding = meet(cast.deactivates(bob), ann.adds(chat, bob), ending="rollback")
    assert said(adding) == "done"


@both_orders
def test_group_opens_before_a_member_is_deactivated_or_not(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    opening, retiring = meet(ann.opens_group(bob), cast.deactivates(bob), swapped=swapped)
    assert (said(opening), said(retiring)) == ("not_found" if swapped else "done", "done")


@both_orders
def test_message_in_flight_comes_before_the_removal_or_is_refused(
    cast: Cast, swapped: bool
) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    sending, removing = meet(bob.sends(chat), ann.removes(chat, bob), swapped=swapped)
    assert (said(sending), said(removing)) == ("not_a_member" if swapped else "done", "done")
    if not swapped:
        assert sending["message"]["seq"] < removing["message"]["seq"]


def test_removal_that_is_rolled_back_lets_the_message_through(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    _, sending = meet(ann.removes(chat, bob), bob.sends(chat), ending="rollback")
    assert said(sending) == "done"


@both_orders
@pytest.mark.parametrize("act", ["edit", "react", "read"])
def test_what_a_removed_member_does_comes_before_or_is_refused(
    cast: Cast, swapped: bool, act: str
) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    message = bob.sends(chat).succeed()["message"]
    acting = {
        "edit": bob.edits(message, "better"),
        "react": bob.reacts(message, "👍"),
        "read": bob.reads(chat),
    }[act]
    done, removing = meet(acting, ann.removes(chat, bob), swapped=swapped)
    assert (said(done), said(removing)) == ("not_a_member" if swapped else "done", "done")


@pytest.mark.parametrize(("ending", "answer"), [("commit", "duplicate"), ("rollback", "done")])
def test_member_removed_twice_at_once_is_removed_once(cast: Cast, ending: str, answer: str) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    one, other = meet(ann.removes(chat, bob), bob.leaves(chat), ending=ending)
    assert (said(one), said(other)) == ("done", answer)


@both_orders
def test_addition_comes_before_the_group_closes_or_is_refused(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_group().succeed()["conversation_id"]
    adding, closing = meet(ann.adds(chat, bob), ann.device().closes(chat), swapped=swapped)
    assert (said(adding), said(closing)) == ("conversation_closed" if swapped else "done", "done")


@both_orders
def test_demoted_admin_adds_before_or_not(cast: Cast, swapped: bool) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    ann.makes(chat, bob, "admin").succeed()
    adding, demoting = meet(bob.adds(chat, cleo), ann.makes(chat, bob, "member"), swapped=swapped)
    assert (said(adding), said(demoting)) == ("permission_denied" if swapped else "done", "done")
