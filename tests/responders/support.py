"""Questions to responders, and what they say."""

import contextlib
from collections.abc import Sequence
from typing import Any

from thin_api.responders import Message, Request, Responder, User


def asked(*said: str, **more: Any) -> Request:
    """Make a request of what was said, in turns; the last is the question."""
    roles = ("user", "assistant") if len(said) % 2 else ("assistant", "user")
    messages = [
        Message(id=f"m{number}", role=roles[number % 2], content=content)  # type: ignore[arg-type]
        for number, content in enumerate(said)
    ]
    return request(messages, **more)


def request(messages: Sequence[Message], **more: Any) -> Request:
    """Make a request whose question is the last message."""
    given: dict[str, Any] = {
        "run_id": "r",
        "conversation_id": "c",
        "message_id": messages[-1].id,
        "messages": messages,
        "user": User("u", "Ann"),
        "timeout": 20.0,
        **more,
    }
    return Request(**given)


async def listen(responder: Responder, request: Request) -> list[str]:
    """Hear an answer to its end."""
    async with contextlib.aclosing(responder(request)) as pieces:
        return [piece async for piece in pieces]
