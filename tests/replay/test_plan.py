from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from thin_api.replay.log import annotation_path, log_name, parse, read_answers, read_log
from thin_api.replay.plan import (
    CONTENT_LIMIT,
    Add,
    Plan,
    Post,
    Remove,
    Rename,
    fold,
    make_plan,
    rebuild,
)

JOIN = "=== {} [n=x@host]  has joined #c"
PART = '=== {} [n=x@host]  has left #c ["bye"]'


def plan_of(*rows: str, answers: Mapping[int, Sequence[int]] | None = None) -> Plan:
    return make_plan(parse("\n".join(rows) + "\n"), answers or {}, "test")


def posts(plan: Plan) -> list[Post]:
    return [step for step in plan.steps if isinstance(step, Post)]


def shape(plan: Plan) -> list[str]:
    """Tell the steps in words, people by the name they came up with."""
    names = {person.user_id: person.name for person in plan.people} | {plan.bot_id: "bot"}
    told = []
    for step in plan.steps:
        match step:
            case Add():
                told.append(f"add {names[step.user_id]}")
            case Remove():
                told.append(f"{names[step.actor_id]} removes {names[step.user_id]}")
            case Rename():
                told.append(f"rename {names[step.user_id]} to {step.name}")
            case Post():
                told.append(f"{names[step.sender_id]} posts {step.type}")
    return told


def test_every_line_is_rebuilt_from_what_is_stored_of_it(log: Path) -> None:
    lines = read_log(log)
    answers = annotation_path(log)
    plan = make_plan(lines, read_answers(answers) if answers.exists() else {}, log_name(log))
    stored = defaultdict(list)
    for post in posts(plan):
        stored[post.line].append((post.content, post.metadata))
    assert [rebuild(stored[line.number]) for line in lines] == [line.raw for line in lines]


def test_who_sends_is_a_member_and_who_joins_is_not(log: Path) -> None:
    plan = make_plan(read_log(log), {}, log_name(log))
    inside = {plan.bot_id}
    for step in plan.steps:
        match step:
            case Add():
                assert step.user_id not in inside
                inside.add(step.user_id)
            case Remove():
                assert {step.user_id, step.actor_id} <= inside
                inside.remove(step.user_id)
            case Post():
                assert step.sender_id in inside
    assert inside == plan.members.keys() | {plan.bot_id}


def test_the_first_lines_are_planned_the_same_whatever_follows(log: Path) -> None:
    lines = read_log(log)
    whole = make_plan(lines, {}, "key")
    half = make_plan(lines[: len(lines) // 2], {}, "key")
    assert whole.steps[: len(half.steps)] == half.steps
    assert whole.people[: len(half.people)] == half.people


def test_a_second_plan_has_the_same_ids_and_another_key_has_others() -> None:
    lines = parse("[12:00] <a> x\n")
    assert make_plan(lines, {}, "one") == make_plan(lines, {}, "one")
    one, other = make_plan(lines, {}, "one"), make_plan(lines, {}, "other")
    assert not {one.bot_id, one.people[0].user_id} & {other.bot_id, other.people[0].user_id}


def test_who_speaks_without_having_joined_is_added_first() -> None:
    assert shape(plan_of("[12:00] <a> x", "[12:00]  * a y")) == [
        "add a",
        "a posts text",
        "a posts action",
    ]


def test_a_join_adds_once_even_when_told_twice() -> None:
    assert shape(plan_of(JOIN.format("a"), JOIN.format("a"))) == [
        "add a",
        "bot posts notice",
        "bot posts notice",
    ]


def test_who_leaves_removes_themself_and_may_come_back() -> None:
    plan = plan_of(JOIN.format("a"), PART.format("a"), JOIN.format("a"))
    assert shape(plan) == [
        "add a",
        "bot posts notice",
        "a removes a",
        "bot posts notice",
        "add a",
        "bot posts notice",
    ]
    assert len(plan.people) == 1


def test_who_leaves_unseen_before_was_there() -> None:
    assert shape(plan_of(PART.format("a")))[:2] == ["add a", "a removes a"]


def test_a_kick_is_done_by_the_bot() -> None:
    plan = plan_of("[12:00] <a> x", "=== a was kicked off #c by b (b)")
    assert shape(plan)[2:] == ["bot removes a", "bot posts notice"]
    assert plan.members == {}


def test_a_rename_keeps_the_person() -> None:
    plan = plan_of("[12:00] <a> x", "=== a is now known as b", "[12:01] <b> y")
    assert shape(plan)[2:] == ["rename a to b", "bot posts notice", "a posts text"]
    assert list(plan.members.values()) == ["b"]


def test_two_people_may_swap_their_nicks() -> None:
    plan = plan_of(
        "[12:00] <a> x",
        "[12:00] <b> x",
        "=== a is now known as t",
        "=== b is now known as a",
        "=== t is now known as b",
        "[12:01] <a> y",
        "[12:01] <b> y",
    )
    assert shape(plan)[-2:] == ["b posts text", "a posts text"]
    assert len(plan.people) == 2


def test_a_rename_onto_a_held_nick_shows_its_holder_has_gone() -> None:
    plan = plan_of("[12:00] <a> x", "[12:00] <a_> x", "=== a_ is now known as a", "[12:01] <a> y")
    assert shape(plan)[4:] == [
        "bot removes a",
        "rename a_ to a",
        "bot posts notice",
        "a_ posts text",
    ]


def test_a_freed_nick_belongs_to_somebody_new() -> None:
    plan = plan_of("[12:00] <a> x", "=== a is now known as b", "[12:01] <a> y")
    assert len({person.user_id for person in plan.people}) == 2
    assert sorted(plan.members.values()) == ["a", "b"]


def test_nicks_are_the_same_whatever_their_case_and_brackets() -> None:
    assert fold("M1dn1ght") == fold("m1dn1ght")
    assert fold("zcat[1] ") == fold("Zcat{1}") == fold("zcat[1]")
    assert fold("[B] olinho") == fold("[B]olinho")
    assert len(plan_of("[12:00] <M1> x", "[12:00] <m1> y").people) == 1


def test_a_change_of_case_is_a_rename_of_the_same_nick() -> None:
    plan = plan_of("[12:00] <nick> x", "=== nick is now known as Nick", "[12:01] <nick> y")
    assert list(plan.members.values()) == ["Nick"]
    assert len(plan.people) == 1


def test_a_line_answers_the_nearest_by_whom_it_addresses() -> None:
    rows = ["[12:00] <a> 1", "[12:00] <b> 2", "[12:00] <a> 3", "[12:00] <c> 4"]
    answering = posts(plan_of(*rows, "[12:01] <d> B: yes", answers={4: [0, 1, 2, 3]}))[-1]
    assert answering.answers == 1
    assert answering.metadata["also_answers"] == [0, 2, 3]
    assert posts(plan_of(*rows, "[12:01] <d> yes", answers={4: [0, 2]}))[-1].answers == 2


def test_a_line_that_starts_a_conversation_says_so() -> None:
    first, second = posts(plan_of("[12:00] <a> 1", "[12:00] <a> 2", answers={0: [0], 1: [0, 1]}))
    assert (first.answers, first.metadata["starts"]) == (None, True)
    assert (second.answers, second.metadata["starts"]) == (0, True)


@pytest.mark.parametrize(
    "row",
    [
        "[12:00] <a>",
        "[12:00] <a> ",
        "[12:00] <a>    ",
        "[12:00] <a>\u3000\t ",
        "[12:00] <a> NUL \0 inside",
        "[12:00] <a> caf\udce9",
        "[12:00]\t* a waves",
        "[12:00]  * a",
        "",
        "  ",
        "\0",
        "[12:00] <a> " + "\u00e9" * (CONTENT_LIMIT + 1),
        "[12:00] <a> " + "x" * (2 * CONTENT_LIMIT) + " ",
        "[12:00] <a> " + " " * 9_000,
        "=== a [h]  has left #c " + "\0" * 20_000,
        "[12:00] <" + "n" * 300 + "> x",
    ],
)
def test_hard_lines_become_messages_a_server_takes_and_come_back(row: str) -> None:
    parts = posts(plan_of(row))
    assert rebuild([(part.content, part.metadata) for part in parts]) == row
    for part in parts:
        assert len(part.content or "") <= CONTENT_LIMIT
        assert len(repr(part.metadata).encode("utf-8")) < 8_000
        assert part.type != "text" or (part.content or "").strip()
        assert not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in part.content or "")
    assert len({part.client_message_id for part in parts}) == len(parts)
