"""Compare what is stored with the log: line for line, then who, to whom and who is there."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from thin_api.replay.log import Line
from thin_api.replay.plan import Plan, Post, Remove, Rename, Step, rebuild
from thin_api.replay.runner import Message, tells


def differences(
    lines: Sequence[Line],
    plan: Plan,
    history: Sequence[Message],
    members: Mapping[str, str] | None,
) -> Iterator[str]:
    """Tell each difference in a line of text; members are None when more than the plan is stored.

    Text comes first: where a line is missing, what follows it differs too.
    """
    same = True
    for line, stored in zip_longest(lines, stored_lines(history)):
        if line is None or line.raw != stored:
            same = False
            where = "after the log" if line is None else f"line {line.number}"
            yield f"{where}: log {line and line.raw!r}, stored {stored!r}"
    if not same:
        return
    yield from _step_differences(plan, history)
    if members is not None:
        expected = {plan.bot_id: members.get(plan.bot_id, "the bot")} | plan.members
        for user_id in sorted(expected.keys() | members.keys()):
            if expected.get(user_id) != members.get(user_id):
                yield (
                    f"member {user_id}: log {expected.get(user_id)!r}, "
                    f"stored {members.get(user_id)!r}"
                )


def stored_lines(history: Sequence[Message]) -> Iterator[str]:
    """Give each line back as it was in the log; a message that is of no log stands for itself."""
    parts: list[tuple[str | None, Mapping[str, Any]]] = []
    for message in history:
        if message["type"] == "system":
            continue
        metadata = message["metadata"]
        if parts and not metadata.get("part"):
            yield rebuild(parts)
            parts = []
        parts.append((message["content"], metadata))
    if parts:
        yield rebuild(parts)


def _step_differences(plan: Plan, history: Sequence[Message]) -> Iterator[str]:
    ids = {
        message["id"]: message["metadata"].get("line", -1)
        for message in history
        if message["type"] != "system"
    }
    steps = [step for step in plan.steps if not isinstance(step, Rename)]
    for step, message in zip_longest(steps, history):
        if step is None:
            yield f"number {message['seq']}: {message['content']!r} is not told by the log"
        elif message is None:
            yield f"line {step.line}: {_expected(step)} is not stored"
        elif not (_is_post(step, message, ids) if isinstance(step, Post) else tells(step, message)):
            yield f"line {step.line}: {_expected(step)}, stored {dict(message)}"


def _is_post(post: Post, message: Message, ids: Mapping[str, int]) -> bool:
    return (
        message["sender_id"] == post.sender_id
        and message["type"] == post.type
        and message["content"] == post.content
        and message["metadata"] == post.metadata
        and (message["reply_to_id"] and ids.get(message["reply_to_id"])) == post.answers
    )


def _expected(step: Step) -> str:
    match step:
        case Post():
            answer = "" if step.answers is None else f" answering line {step.answers}"
            return f"{step.type} {step.content!r} of {step.sender_id}{answer}"
        case Remove():
            return f"{step.user_id} removed"
        case _:
            return f"{step.user_id} added"
