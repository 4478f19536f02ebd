"""Who answers: a responder is an async generator of the pieces of an answer, and knows no database.

`PARLEY_RESPONDER` names one: `rules`, `openai`, or any `module:function` that takes a Request and
yields text. It may be started again from the beginning, in another process, when its worker dies;
it is closed where it stands when nobody wants the answer any more.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, fields
from itertools import dropwhile, takewhile
from typing import Any, Literal

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the conversation, as the responder may know it."""

    id: str
    role: Literal["user", "assistant"]
    content: str | None
    type: str = "text"
    source: str = "person"
    sender_name: str | None = None
    metadata: Json = field(default_factory=dict)
    created_at: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Whom the answer is for."""

    id: str
    display_name: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked: the messages so far, oldest first, and which of them wants an answer."""

    run_id: str
    conversation_id: str
    message_id: str
    messages: Sequence[Message]
    user: User
    thread: Json = field(default_factory=dict)
    configuration: Json = field(default_factory=dict)
    attempt: int = 1
    timeout: float  # seconds: after that nobody listens
    # What the responder puts here goes into the metadata of its answer.
    notes: Json = field(default_factory=dict)

    @property
    def unanswered(self) -> Sequence[str]:
        """What the user has said, as far as it is text, since somebody answered; oldest first."""
        latest = dropwhile(lambda one: one.role != "user", reversed(self.messages))
        said = [one.content for one in takewhile(lambda one: one.role == "user", latest)]
        return [content for content in reversed(said) if content]

    @property
    def question(self) -> str:
        """The last of it; empty if there is nothing to read."""
        return next(reversed(self.unanswered), "")


Responder = Callable[[Request], AsyncGenerator[str, None]]
# What a responder needs is open as long as this is.
Opening = Callable[[], AbstractAsyncContextManager[Responder]]


class ResponderError(Exception):
    """There is no answer, or only a part of one; the user is shown both of these."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


def request_of(run: Mapping[str, Any]) -> Request:
    """Read what claim_run gives."""
    return Request(
        run_id=run["id"],
        conversation_id=run["conversation_id"],
        message_id=run["message_id"],
        messages=tuple(Message(**_known(Message, one)) for one in run["messages"]),
        user=User(**_known(User, run["user"])),
        thread=run["thread"],
        configuration=run["configuration"],
        attempt=run["attempt"],
        timeout=float(run["timeout_seconds"]),
    )


def _known(kind: type[Message] | type[User], given: Json) -> Json:
    """Leave out what a newer database tells and we have no place for."""
    return {one.name: given[one.name] for one in fields(kind) if one.name in given}
