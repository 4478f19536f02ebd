"""Two callers change one message or conversation."""

import pytest

from tests.race.steps import Cast, Person, both_orders, meet, said
from tests.support import Json, at_once


class Said:
    """A message in a direct conversation of two."""

    def __init__(self, cast: Cast) -> None:
        self.ann, self.bob = cast.people("ann", "bob")
        opened = self.ann.opens_direct(self.bob, "first").succeed()
        self.chat: str = opened["conversation_id"]
        self.message: Json = opened["message"]

    def now(self) -> Json:
        """Return the message as it is."""
        return self.ann.sees(self.chat)[0]

    def changes(self) -> list[str]:
        """Return what the log says happened after the message."""
        answer = self.ann.step("list_changes", conversation_id=self.chat, after_seq=1).succeed()
        return [change["type"] for change in answer["changes"]]


@pytest.fixture
def scene(cast: Cast) -> Said:
    return Said(cast)


def test_second_of_two_edits_of_one_version_is_refused(scene: Said) -> None:
    seen = scene.message["created_at"]
    one, other = meet(
        scene.ann.edits(scene.message, "one", seen),
        scene.ann.device().edits(scene.message, "other", seen),
    )
    assert (said(one), said(other)) == ("done", "edit_conflict")
    assert (scene.now()["content"], scene.changes()) == ("one", ["message_edited"])


def test_edit_goes_on_when_the_first_is_rolled_back(scene: Said) -> None:
    seen = scene.message["created_at"]
    _, other = meet(
        scene.ann.edits(scene.message, "one", seen),
        scene.ann.device().edits(scene.message, "other", seen),
        ending="rollback",
    )
    assert said(other) == "done"
    assert scene.now()["content"] == "other"


def test_two_edits_of_whatever_is_there_follow_each_other(scene: Said) -> None:
    answers = meet(
        scene.ann.edits(scene.message, "one"), scene.ann.device().edits(scene.message, "other")
    )
    assert [said(one) for one in answers] == ["done", "done"]
    assert scene.now()["content"] == "other"
    assert scene.changes() == ["message_edited", "message_edited"]


@both_orders
def test_edit_comes_before_deletion_or_is_refused(scene: Said, swapped: bool) -> None:
    editing, deleting = meet(
        scene.ann.edits(scene.message, "better"),
        scene.ann.device().deletes(scene.message),
        swapped=swapped,
    )
    assert (said(editing), said(deleting)) == ("edit_conflict" if swapped else "done", "done")
    assert scene.now()["content"] is None


def test_deletion_that_is_rolled_back_lets_the_edit_through(scene: Said) -> None:
    _, editing = meet(
        scene.ann.deletes(scene.message),
        scene.ann.device().edits(scene.message, "better"),
        ending="rollback",
    )
    assert said(editing) == "done"


@both_orders
def test_reaction_comes_before_deletion_or_is_refused(scene: Said, swapped: bool) -> None:
    reacting, deleting = meet(
        scene.bob.reacts(scene.message, "👍"), scene.ann.deletes(scene.message), swapped=swapped
    )
    assert (said(reacting), said(deleting)) == ("edit_conflict" if swapped else "done", "done")
    assert scene.now()["reactions"] == []


@pytest.mark.parametrize(("ending", "answer"), [("commit", "duplicate"), ("rollback", "done")])
def test_message_deleted_twice_at_once_is_deleted_once(
    scene: Said, ending: str, answer: str
) -> None:
    one, other = meet(
        scene.ann.deletes(scene.message), scene.ann.device().deletes(scene.message), ending=ending
    )
    assert (said(one), said(other)) == ("done", answer)
    assert scene.changes() == ["message_deleted"]


@pytest.mark.parametrize(("ending", "answer"), [("commit", "duplicate"), ("rollback", "done")])
def test_reaction_given_twice_at_once_is_one(scene: Said, ending: str, answer: str) -> None:
    one, other = meet(
        scene.bob.reacts(scene.message, "👍"),
        scene.bob.device().reacts(scene.message, "👍"),
        ending=ending,
    )
    assert (said(one), said(other)) == ("done", answer)
    assert scene.changes() == ["reaction_added"]


def test_many_reactions_at_once_are_all_counted(scene: Said) -> None:
    devices = [person.device() for person in (scene.ann, scene.bob) for _ in range(3)]
    steps = [
        device.reacts(scene.message, emoji)
        for device, emoji in zip(devices, ["👍", "🎉", "❤️"] * 2, strict=True)
    ]
    assert [said(one) for one in at_once([step.run for step in steps])] == ["done"] * 6
    assert scene.changes() == ["reaction_added"] * 6


@both_orders
def test_reaction_is_taken_back_after_it_was_given_or_not(scene: Said, swapped: bool) -> None:
    giving, taking = meet(
        scene.bob.reacts(scene.message, "👍"),
        scene.bob.device().takes_back(scene.message, "👍"),
        swapped=swapped,
    )
    assert (said(giving), said(taking)) == ("done", "duplicate" if swapped else "done")
    assert len(scene.now()["reactions"]) == swapped


@both_orders
@pytest.mark.parametrize("act", ["edit", "react", "delete"])
def test_purged_message_can_be_changed_no_more(
    cast: Cast, scene: Said, swapped: bool, act: str
) -> None:
    changing = {
        "edit": scene.ann.edits(scene.message, "better"),
        "react": scene.ann.reacts(scene.message, "👍"),
        "delete": scene.ann.deletes(scene.message),
    }[act]
    change, purge = meet(changing, cast.purges(scene.chat), swapped=swapped)
    assert (said(change), said(purge)) == ("not_found" if swapped else "done", "done")


@both_orders
def test_edit_comes_before_closing_or_is_refused(scene: Said, swapped: bool) -> None:
    editing, closing = meet(
        scene.ann.edits(scene.message, "better"), scene.bob.closes(scene.chat), swapped=swapped
    )
    assert (said(editing), said(closing)) == ("conversation_closed" if swapped else "done", "done")


@pytest.mark.parametrize(("ending", "answer"), [("commit", "duplicate"), ("rollback", "done")])
def test_conversation_closed_twice_at_once_is_closed_once(
    scene: Said, ending: str, answer: str
) -> None:
    one, other = meet(scene.ann.closes(scene.chat), scene.bob.closes(scene.chat), ending=ending)
    assert (said(one), said(other)) == ("done", answer)
    assert scene.changes() == ["conversation_closed"]


def test_two_titles_at_once_are_both_in_the_log(scene: Said) -> None:
    def names(person: Person, title: str) -> Json:
        return person.step(
            "update_conversation_atomic", conversation_id=scene.chat, title=title
        ).run()

    answers = at_once([lambda: names(scene.ann, "one"), lambda: names(scene.bob, "other")])
    assert [said(one) for one in answers] == ["done", "done"]
    assert scene.changes() == ["conversation_updated", "conversation_updated"]
