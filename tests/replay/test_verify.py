from typing import Any

import pytest

from thin_api.replay.log import Line, parse
from thin_api.replay.plan import Add, Plan, Post, Remove, make_plan
from thin_api.replay.verify import differences

LINES = parse("[12:00] <a> one\n[12:00] <b> two\n=== b [h]  has left #c\n[12:01] <c> three\n")


@pytest.fixture
def plan() -> Plan:
    return make_plan(LINES, {3: [0]}, "key")


@pytest.fixture
def history(plan: Plan) -> list[dict[str, Any]]:
    """What a server stores of the plan."""
    stored: list[dict[str, Any]] = []
    ids: dict[int | None, str] = {}
    for seq, step in enumerate(plan.steps, start=1):
        message: dict[str, Any] = {"id": f"id {seq}", "seq": seq, "reply_to_id": None}
        match step:
            case Post():
                ids[step.line] = message["id"]
                message |= {
                    "sender_id": step.sender_id,
                    "type": step.type,
                    "content": step.content,
                    "metadata": dict(step.metadata),
                    "reply_to_id": ids.get(step.answers),
                }
            case Add() | Remove():
                event = "member_added" if isinstance(step, Add) else "member_left"
                about = {"event": event, "user_ids": [step.user_id]}
                message |= {"sender_id": None, "type": "system", "content": "", "metadata": about}
        stored.append(message)
    return stored


def find(history: list[dict[str, Any]], content: str) -> dict[str, Any]:
    return next(message for message in history if message["content"] == content)


def told(plan: Plan, history: list[dict[str, Any]], lines: list[Line] = LINES) -> list[str]:
    return list(differences(lines, plan, history, None))


def test_what_is_stored_as_planned_does_not_differ(
    plan: Plan, history: list[dict[str, Any]]
) -> None:
    assert told(plan, history) == []
    assert list(differences(LINES, plan, history, plan.members | {plan.bot_id: "bot"})) == []


def test_another_text_is_told(plan: Plan, history: list[dict[str, Any]]) -> None:
    find(history, "two")["content"] = "2"
    assert told(plan, history) == ["line 1: log '[12:00] <b> two', stored '[12:00] <b> 2'"]


def test_a_missing_line_is_told(plan: Plan, history: list[dict[str, Any]]) -> None:
    history.remove(find(history, "three"))
    assert told(plan, history) == ["line 3: log '[12:01] <c> three', stored None"]


def test_a_line_too_many_is_told(plan: Plan, history: list[dict[str, Any]]) -> None:
    history.append({"type": "text", "content": "four", "metadata": {}})
    assert told(plan, history) == ["after the log: log None, stored 'four'"]


def test_lines_out_of_order_are_told(plan: Plan, history: list[dict[str, Any]]) -> None:
    one, two = history.index(find(history, "one")), history.index(find(history, "two"))
    history[one], history[two] = history[two], history[one]
    assert len(told(plan, history)) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("sender_id", "somebody else"), ("type", "action"), ("reply_to_id", None)],
)
def test_a_line_by_or_to_somebody_else_is_told(
    plan: Plan, history: list[dict[str, Any]], field: str, value: str | None
) -> None:
    find(history, "three")[field] = value
    (difference,) = told(plan, history)
    assert difference.startswith("line 3: text 'three' of ")


def test_a_missing_change_of_members_is_told(plan: Plan, history: list[dict[str, Any]]) -> None:
    history.remove(next(m for m in history if m["metadata"].get("event") == "member_left"))
    assert "removed" in told(plan, history)[0]


def test_other_members_and_names_are_told(plan: Plan, history: list[dict[str, Any]]) -> None:
    members = plan.members | {plan.bot_id: "bot"}
    gone = next(iter(plan.members))
    for wrong in (members | {gone: "other"}, members | {"new": "n"}, {plan.bot_id: "bot"}):
        assert list(differences(LINES, plan, history, wrong))
