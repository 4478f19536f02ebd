"""Who joins while a change waits, which locked the member rows before theirs was one."""

import pytest

from tests.race.steps import Cast, Step, meet, said, wait_until_behind
from tests.support import PATIENCE, Json


class Meeting:
    """A step that began before somebody joined goes on while the newcomer is sending."""

    def __init__(self, cast: Cast) -> None:
        self.owner, self.admin, self.busy, self.newcomer = cast.people("o", "a", "b", "n")
        self.chat = self.owner.opens_group(self.admin).succeed()["conversation_id"]
        self.owner.makes(self.chat, self.admin, "admin").succeed()
        self.first = self.admin.sends(self.chat, "the first").succeed()["message"]

    def run(self, step: Step, reply_to_id: str | None = None) -> tuple[Json, Json]:
        """Hold up the step at the owner's row while two join and send; both answers."""
        phone = self.owner.device()
        phone.begin()
        phone.reads(self.chat).succeed()
        waiting = step.start_blocked()
        self.admin.adds(self.chat, self.newcomer, self.busy).succeed()
        self.busy.begin()
        self.busy.sends(self.chat, "slow").succeed()
        phone.commit()
        wait_until_behind(step.racer, self.busy.racer)
        sending = self.newcomer.sends(self.chat, "new", reply_to_id=reply_to_id).start_blocked()
        self.busy.commit()
        return waiting.result(PATIENCE), sending.result(PATIENCE)


def test_removal_does_not_deadlock_with_a_newcomer_who_sends(cast: Cast) -> None:
    meeting = Meeting(cast)
    removal, sending = meeting.run(meeting.owner.removes(meeting.chat, meeting.newcomer))
    assert (said(removal), said(sending)) == ("not_found", "done")


def test_change_of_role_does_not_deadlock_with_a_newcomer_who_sends(cast: Cast) -> None:
    meeting = Meeting(cast)
    change, sending = meeting.run(meeting.owner.makes(meeting.chat, meeting.newcomer, "admin"))
    assert (said(change), said(sending)) == ("not_found", "done")


def test_purge_does_not_deadlock_with_a_newcomer_who_sends(cast: Cast) -> None:
    meeting = Meeting(cast)
    purge, sending = meeting.run(cast.purges(meeting.chat))
    assert (said(purge), said(sending)) == ("done", "done")
    assert [seen["content"] for seen in meeting.owner.sees(meeting.chat)][-1] == "new"


def test_answer_to_what_is_purged_meanwhile_is_refused(cast: Cast) -> None:
    meeting = Meeting(cast)
    purge, sending = meeting.run(cast.purges(meeting.chat), reply_to_id=meeting.first["id"])
    assert (said(purge), said(sending)) == ("done", "validation_error")


def test_nobody_joins_while_an_owner_is_erased(cast: Cast) -> None:
    meeting = Meeting(cast)
    phone = meeting.admin.device()
    phone.begin()
    phone.reads(meeting.chat).succeed()
    erasing = cast.erases(meeting.owner).start_blocked()
    joining = meeting.owner.device().adds(meeting.chat, meeting.newcomer).start_blocked()
    phone.commit()
    assert said(erasing.result(PATIENCE)) == "done"
    assert said(joining.result(PATIENCE)) == "permission_denied"
    assert cast.owners(meeting.chat) == {meeting.admin.id}


def test_batch_refuses_who_joined_after_it_began(cast: Cast) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    ann.makes(chat, bob, "admin").succeed()
    phone = ann.device()
    phone.begin()
    phone.reads(chat).succeed()
    batch = cast.operation(
        "send_messages_atomic",
        messages=[
            {"p_conversation_id": chat, "p_actor_id": ann.id, "p_content": "one"},
            {"p_conversation_id": chat, "p_actor_id": cleo.id, "p_content": "two"},
        ],
    )
    sending = batch.start_blocked()
    bob.adds(chat, cleo).succeed()
    phone.commit()
    results = sending.result(PATIENCE)["results"]
    assert [said(one) for one in results] == ["done", "not_a_member"]


@pytest.mark.parametrize("verb", ["send", "reply"])
def test_blocker_who_joins_while_a_send_waits_does_not_get_it(cast: Cast, verb: str) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    chat = ann.opens_group(bob).succeed()["conversation_id"]
    cleo.blocks(bob).succeed()
    first = ann.sends(chat, "welcome").succeed()["message"]
    sending = bob.sends(chat, "not for cleo", reply_to_id=first["id"] if verb == "reply" else None)
    joining, message = meet(ann.adds(chat, cleo), sending)
    assert message["message"]["seq"] > joining["message"]["seq"]
    assert "not for cleo" not in [seen["content"] for seen in cleo.sees(chat)]
    assert cleo.unread(chat) == 0


def test_someone_is_added_back_while_others_remove_them(cast: Cast) -> None:
    tom, owner, other = cast.people("tom", "owner", "other")
    chat = owner.opens_group(tom, other).succeed()["conversation_id"]
    owner.makes(chat, other, "admin").succeed()
    other.begin()
    other.removes(chat, tom).succeed()
    removing = owner.device().removes(chat, tom).start_blocked()
    adding = owner.adds(chat, tom).start_blocked()
    other.commit()
    assert said(removing.result(PATIENCE)) == "duplicate"
    assert said(adding.result(PATIENCE)) == "done"
    assert cast.members(chat) == {tom.id, owner.id, other.id}
