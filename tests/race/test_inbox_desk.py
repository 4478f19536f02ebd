"""The desk at work while contacts write, and contacts that become one meanwhile."""

import random
import uuid
from collections.abc import Callable
from functools import partial

import pytest

from tests.race.steps import Cast, Person, Step, both_orders, meet, said
from tests.support import Json, at_once


class Desk:
    """Two agents and two contacts, each of whom has written once; what they write has a text."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.ann, self.bob = cast.people("ann", "bob")
        self.channel = {"provider": "whatsapp", "address": uuid.uuid4().hex}
        self.one, self.other = new_number(), new_number()
        first = self.writes(self.one, "one").succeed()
        second = self.writes(self.other, "other").succeed()
        self.contact, self.thread = first["contact"]["id"], first["conversation_id"]
        self.other_contact, self.other_thread = (
            second["contact"]["id"],
            second["conversation_id"],
        )

    def writes(self, number: str, text: str) -> Step:
        """Name what a contact writes, as the provider tells it."""
        return self.cast.operation(
            "receive_message_atomic",
            **self.channel,
            provider_message_id=uuid.uuid4().hex,
            contact={"phone": number},
            content=text,
        )

    def reads(self, agent: Person, thread: str) -> Step:
        return agent.step("mark_thread_read_atomic", thread=thread)

    def links(self, agent: Person, contact: str, number: str) -> Step:
        return agent.step("link_contact_atomic", contact_id=contact, kind="phone", value=number)

    def assigns(self, agent: Person, to: Person) -> Step:
        return agent.step("assign_thread_atomic", conversation_id=self.thread, assignee_id=to.id)

    def sees(self, thread: str) -> Json:
        """Return a thread as it is now."""
        found: Json = self.bob.device().step("get_thread", thread=thread).succeed()["thread"]
        return found

    def says(self, thread: str) -> list[str]:
        """Return what was said in a thread, system messages left out."""
        page = self.bob.device().step("list_thread_messages", thread=thread, limit=100).succeed()
        return [one["content"] for one in page["messages"] if one["type"] != "system"]


def new_number() -> str:
    """Make a number nobody has."""
    return f"+4915{random.randrange(10**9):09}"


@pytest.fixture
def desk(cast: Cast) -> Desk:
    return Desk(cast)


@both_orders
@pytest.mark.parametrize("by_phone", [False, True], ids=["by_id", "by_phone"])
def test_what_arrives_while_marking_stays_unread(desk: Desk, swapped: bool, by_phone: bool) -> None:
    marking, _ = meet(
        desk.reads(desk.ann, desk.one if by_phone else desk.thread),
        desk.writes(desk.one, "and?"),
        swapped=swapped,
    )
    assert (said(marking), marking["read_seq"]) == ("done", 1)
    assert desk.sees(desk.thread)["unread_count"] == 1


def test_marks_of_two_agents_end_at_the_further_one(desk: Desk) -> None:
    for text in ("two", "three"):
        desk.writes(desk.one, text).succeed()
    marks = [
        agent.step("mark_thread_read_atomic", thread=desk.thread, seq=seq)
        for agent, seq in ((desk.ann, 3), (desk.bob, 1))
    ]
    meet(*marks)
    assert (desk.sees(desk.thread)["read_seq"], desk.sees(desk.thread)["unread_count"]) == (3, 0)


@both_orders
@pytest.mark.parametrize("writer", ["survivor", "other"])
def test_linking_while_a_message_arrives_loses_nothing(
    desk: Desk, swapped: bool, writer: str
) -> None:
    number = desk.one if writer == "survivor" else desk.other
    linking, receiving = meet(
        desk.links(desk.ann, desk.contact, desk.other),
        desk.writes(number, "late"),
        swapped=swapped,
    )
    assert (said(linking), said(receiving), linking["merged"]) == ("done", "done", True)
    if not swapped:
        assert receiving["conversation_id"] == desk.thread
        assert receiving["contact"]["id"] == desk.contact
    assert desk.says(desk.thread) == ["one", "other", "late"]
    assert desk.says(desk.other_thread) == ["one", "other", "late"]
    assert desk.sees(desk.thread)["unread_count"] == 3


def test_linking_that_is_rolled_back_leaves_two(desk: Desk) -> None:
    _, receiving = meet(
        desk.links(desk.ann, desk.contact, desk.other),
        desk.writes(desk.other, "late"),
        ending="rollback",
    )
    assert receiving["conversation_id"] == desk.other_thread
    assert desk.says(desk.other_thread) == ["other", "late"]


def test_many_messages_while_linking_are_all_in_one_log(desk: Desk) -> None:
    texts = [f"{number} {turn}" for number in ("one", "other") for turn in range(10)]
    steps = [
        desk.writes(desk.one if text.startswith("one") else desk.other, text) for text in texts
    ]
    steps.insert(7, desk.links(desk.ann, desk.other_contact, desk.one))
    assert {said(answer) for answer in at_once([step.run for step in steps])} == {"done"}
    assert sorted(desk.says(desk.thread)) == sorted(["one", "other", *texts])
    assert desk.sees(desk.other_thread)["conversation_id"] == desk.thread
    assert desk.sees(desk.thread)["unread_count"] == 22


@both_orders
def test_two_links_in_opposite_directions_make_one(desk: Desk, swapped: bool) -> None:
    there, back = meet(
        desk.links(desk.ann, desk.contact, desk.other),
        desk.links(desk.bob, desk.other_contact, desk.one),
        swapped=swapped,
    )
    first, second = (back, there) if swapped else (there, back)
    assert (said(first), said(second)) == ("done", "duplicate")
    assert there["contact"]["id"] == back["contact"]["id"] == desk.contact
    assert desk.says(desk.other_thread) == ["one", "other"]


def test_three_contacts_linked_in_a_ring_are_one(desk: Desk) -> None:
    third = desk.writes(number := new_number(), "third").succeed()
    ring = [
        desk.links(desk.ann, desk.contact, desk.other),
        desk.links(desk.bob, desk.other_contact, number),
        desk.links(desk.ann.device(), third["contact"]["id"], desk.one),
    ]
    assert {said(answer) for answer in at_once([step.run for step in ring])} <= {
        "done",
        "duplicate",
    }
    for old in (desk.other_thread, third["conversation_id"]):
        assert desk.sees(old)["conversation_id"] == desk.thread
    assert desk.says(desk.thread) == ["one", "other", "third"]


@both_orders
@pytest.mark.parametrize("has_answered", [False, True], ids=["first_answer", "later_answer"])
def test_answering_by_an_id_that_is_being_merged_away(
    desk: Desk, swapped: bool, has_answered: bool
) -> None:
    if has_answered:
        desk.bob.sends(desk.other_thread, "before").succeed()
    linking, sending = meet(
        desk.links(desk.ann, desk.contact, desk.other),
        desk.bob.sends(desk.other_thread, "answer"),
        swapped=swapped,
    )
    assert (said(linking), said(sending)) == ("done", "done")
    expected = ["one", "other", "before", "answer"] if has_answered else ["one", "other", "answer"]
    assert desk.says(desk.thread) == expected
    if not swapped:
        assert sending["message"]["conversation_id"] == desk.thread


@both_orders
def test_answer_with_a_key_is_sent_once_across_a_merge(desk: Desk, swapped: bool) -> None:
    desk.bob.sends(desk.other_thread, "answer", key="1").succeed()
    _, again = meet(
        desk.links(desk.ann, desk.contact, desk.other),
        desk.bob.sends(desk.other_thread, "answer", key="1"),
        swapped=swapped,
    )
    assert said(again) == "duplicate"
    assert desk.says(desk.thread).count("answer") == 1


@both_orders
def test_marking_by_an_id_that_is_being_merged_away(desk: Desk, swapped: bool) -> None:
    linking, marking = meet(
        desk.links(desk.ann, desk.contact, desk.other),
        desk.reads(desk.bob, desk.other_thread),
        swapped=swapped,
    )
    assert (said(linking), said(marking)) == ("done", "done")
    # What was unread in the thread nobody marked stays so, and all that was said after it.
    assert desk.sees(desk.thread)["unread_count"] == 2
    desk.reads(desk.bob, desk.other_thread).succeed()
    assert desk.sees(desk.thread)["unread_count"] == 0


@both_orders
def test_closing_an_id_that_is_being_merged_away(desk: Desk, swapped: bool) -> None:
    _, closing = meet(
        desk.links(desk.ann, desk.contact, desk.other),
        desk.bob.closes(desk.other_thread),
        swapped=swapped,
    )
    assert said(closing) == "done"
    assert (desk.sees(desk.thread)["closed_at"] is not None) is not swapped


def test_two_agents_first_answers_at_once(desk: Desk) -> None:
    one, other = meet(
        desk.ann.sends(desk.thread, "from ann"), desk.bob.sends(desk.thread, "from bob")
    )
    assert (said(one), said(other)) == ("done", "done")
    assert desk.says(desk.thread) == ["one", "from ann", "from bob"]
    assert desk.cast.members(desk.thread) == {desk.contact, desk.ann.id, desk.bob.id}


def test_an_agents_first_answers_from_two_devices(desk: Desk) -> None:
    one, other = meet(
        desk.ann.sends(desk.thread, "first"), desk.ann.device().sends(desk.thread, "second")
    )
    assert (said(one), said(other)) == ("done", "done")
    assert desk.cast.members(desk.thread) == {desk.contact, desk.ann.id}


@both_orders
def test_an_answer_while_the_contact_writes(desk: Desk, swapped: bool) -> None:
    answers = meet(
        desk.ann.sends(desk.thread, "answer"), desk.writes(desk.one, "and?"), swapped=swapped
    )
    assert [said(answer) for answer in answers] == ["done", "done"]
    assert desk.says(desk.thread) == (
        ["one", "and?", "answer"] if swapped else ["one", "answer", "and?"]
    )


@both_orders
def test_a_message_reopens_what_is_being_closed(desk: Desk, swapped: bool) -> None:
    closing, receiving = meet(
        desk.ann.closes(desk.thread), desk.writes(desk.one, "one more thing"), swapped=swapped
    )
    assert (said(closing), said(receiving)) == ("done", "done")
    # It came before it was closed, or after: then it is open again.
    assert (desk.sees(desk.thread)["closed_at"] is not None) is swapped
    assert desk.says(desk.thread) == ["one", "one more thing"]


@both_orders
def test_assigning_while_the_contact_writes(desk: Desk, swapped: bool) -> None:
    answers = meet(desk.assigns(desk.ann, desk.bob), desk.writes(desk.one, "and?"), swapped=swapped)
    assert [said(answer) for answer in answers] == ["done", "done"]
    thread = desk.sees(desk.thread)
    assert (thread["assignee_id"], thread["last_seq"]) == (desk.bob.id, 3)


@both_orders
def test_two_who_assign_at_once_follow_each_other(desk: Desk, swapped: bool) -> None:
    to_ann, to_bob = meet(
        desk.assigns(desk.bob, desk.ann), desk.assigns(desk.ann, desk.bob), swapped=swapped
    )
    assert (said(to_ann), said(to_bob)) == ("done", "done")
    thread = desk.sees(desk.thread)
    assert thread["assignee_id"] == (desk.ann.id if swapped else desk.bob.id)
    assert thread["last_seq"] == 3


@both_orders
def test_nobody_is_assigned_who_is_being_deactivated(desk: Desk, swapped: bool) -> None:
    _, assigning = meet(
        desk.cast.deactivates(desk.bob), desk.assigns(desk.ann, desk.bob), swapped=swapped
    )
    assert said(assigning) == ("done" if swapped else "validation_error")


@both_orders
def test_nobody_is_put_at_the_desk_who_is_being_deactivated(cast: Cast, swapped: bool) -> None:
    tenant = str(uuid.uuid4())
    agent = cast.service.call("upsert_user_atomic", display_name="Cid", tenant_id=tenant)["user_id"]
    _, placing = meet(
        cast.operation("deactivate_user_atomic", user_id=agent),
        cast.operation("set_desk_atomic", tenant_id=tenant, agent_ids=[agent]),
        swapped=swapped,
    )
    assert said(placing) == ("done" if swapped else "not_found")
    left = cast.rows("select user_id from chat.desk_agents where tenant_id = %s", tenant)
    assert left == []


def test_one_lead_told_of_two_contacts_at_once_makes_them_one(desk: Desk) -> None:
    lead = {"kind": "lead", "value": uuid.uuid4().hex}
    one, other = meet(
        desk.ann.step("link_contact_atomic", contact_id=desk.contact, **lead),
        desk.bob.step("link_contact_atomic", contact_id=desk.other_contact, **lead),
    )
    assert (one["merged"], other["merged"]) == (False, True)
    assert desk.says(desk.other_thread) == ["one", "other"]


def test_many_who_open_a_thread_with_somebody_new_open_one(desk: Desk) -> None:
    number = new_number()
    steps: list[Step] = [
        agent.device().step("open_thread_atomic", contact={"phone": number})
        for agent in (desk.ann, desk.bob)
        for _ in range(4)
    ]
    steps += [desk.writes(number, f"hello {turn}") for turn in range(4)]
    answers = at_once([step.run for step in steps])
    assert {said(answer) for answer in answers} == {"done", "duplicate"}
    assert len({answer["conversation_id"] for answer in answers}) == 1
    assert len(desk.says(number)) == 4


@both_orders
def test_erasing_a_contact_who_is_being_merged_erases_both(desk: Desk, swapped: bool) -> None:
    linking, erasing = meet(
        desk.links(desk.ann, desk.contact, desk.other),
        desk.cast.operation("erase_user_atomic", user_id=desk.other_contact),
        swapped=swapped,
    )
    assert said(erasing) == "done"
    if swapped:
        # The number was nobody's any more when it was linked.
        assert linking["merged"] is False
        assert desk.says(desk.thread) == ["one"]
    else:
        assert erasing["user_id"] == desk.contact
        assert desk.says(desk.thread) == [None, None]


@both_orders
def test_purging_while_the_desk_marks(desk: Desk, swapped: bool) -> None:
    marking, _ = meet(
        desk.reads(desk.ann, desk.thread), desk.cast.purges(desk.thread), swapped=swapped
    )
    assert said(marking) == "done"
    thread = desk.sees(desk.thread)
    assert (thread["unread_count"], thread["read_seq"]) == (0, 1)


def test_everything_at_once_leaves_one_log_with_everything(desk: Desk) -> None:
    """No deadlock, no error, nothing lost, whoever is merged into whom meanwhile."""
    numbers = [desk.one, desk.other, *(new_number() for _ in range(3))]
    threads = [desk.thread, desk.other_thread]
    contacts = [desk.contact, desk.other_contact]
    for number in numbers[2:]:
        received = desk.writes(number, "hello").succeed()
        threads.append(received["conversation_id"])
        contacts.append(received["contact"]["id"])
    texts = iter(range(10**6))
    agents = [agent.device() for agent in (desk.ann, desk.bob) for _ in range(3)]
    rounds = 12

    def worker(agent: Person, dice: random.Random) -> list[Json]:
        answers = []
        for _ in range(rounds):
            thread, number = dice.choice(threads), dice.choice(numbers)
            step = dice.choice(
                [
                    agent.sends(thread, f"said {next(texts)}"),
                    agent.sends(thread, f"said {next(texts)}"),
                    desk.reads(agent, dice.choice([thread, number])),
                    agent.step("close_conversation_atomic", conversation_id=thread),
                    agent.step("reopen_conversation_atomic", conversation_id=thread),
                    agent.step(
                        "assign_thread_atomic",
                        conversation_id=thread,
                        assignee_id=dice.choice([desk.ann.id, desk.bob.id]),
                    ),
                    desk.links(agent, dice.choice(contacts), number),
                    agent.step("list_thread_messages", thread=thread),
                ]
            )
            answers.append({**step.run(), "asked": step})
        return answers

    def writer(step_of: Step, dice: random.Random) -> list[Json]:
        answers = []
        for _ in range(rounds):
            arguments = {
                **step_of.arguments,
                "provider_message_id": uuid.uuid4().hex,
                "contact": {"phone": dice.choice(numbers)},
                "content": f"said {next(texts)}",
            }
            step = Step(step_of.racer, step_of.function, arguments)
            answers.append({**step.run(), "asked": step})
        return answers

    writers = [desk.writes(desk.one, "") for _ in range(3)]
    tasks: list[Callable[[], list[Json]]] = [
        *(partial(worker, agent, random.Random(n)) for n, agent in enumerate(agents)),
        *(partial(writer, step, random.Random(n)) for n, step in enumerate(writers)),
    ]
    answers = [answer for done in at_once(tasks) for answer in done]
    assert {said(answer) for answer in answers} <= {"done", "duplicate", "conversation_closed"}

    for contact in contacts[1:]:
        desk.ann.step(
            "link_contact_atomic", contact_id=contact, kind="phone", value=desk.one
        ).succeed()
    expected = [
        answer["asked"].arguments["content"]
        for answer in answers
        if said(answer) == "done" and "content" in answer["asked"].arguments
    ]
    told = desk.cast.rows(
        "select content from chat.messages where conversation_id = %s and content like %s",
        desk.thread,
        "said %",
    )
    assert sorted(told) == sorted(expected)
