"""What a log asks of the server: people, and steps in the log's order.

A message or an action is sent by whoever said it. Any other line is posted by the channel's bot as
a `notice`, after the change it tells of: a join adds a member, a part, quit or kick removes one, a
new nick renames one. Membership at the log's start is unknown, so whoever acts without having
joined was there already and is added at that moment.

A person is whoever holds a nick. A rename takes the person along; whoever held the new nick before
has gone unseen, since a nick has one holder at a time. A freed nick that comes up again is somebody
new.

Except for renames, each step writes exactly one number of the conversation's log. So where a replay
stopped is told by the last stored line and the system messages after it. The steps of a log's first
lines do not depend on the lines that follow.
"""

import re
import uuid
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from thin_api.replay.log import Event, Line

CONTENT_LIMIT = 16_000  # characters of one message; a longer line is stored in parts
ODD_LIMIT = 1_000  # of text that must also be kept as bytes, in the metadata
NAME_LIMIT = 200

_PEOPLE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:parley:replay")
_FOLDED = str.maketrans("[]\\~", "{}|^")  # IRC takes these for upper and lower case


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in the log under the name they come up with; `birth` is the step that needs them."""

    user_id: str
    name: str
    birth: int


@dataclass(frozen=True, slots=True)
class Add:
    """The bot adds a member."""

    line: int
    user_id: str


@dataclass(frozen=True, slots=True)
class Remove:
    """A member leaves (the actor is the user) or is removed by the bot."""

    line: int
    user_id: str
    actor_id: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A person goes by another name; writes nothing into the conversation."""

    line: int
    user_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Post:
    """A line, or a part of a long one, as a message."""

    line: int
    part: int
    sender_id: str
    type: str
    content: str | None
    metadata: Mapping[str, Any]
    answers: int | None = None

    @property
    def client_message_id(self) -> str:
        """The key that makes sending it again harmless."""
        return f"line-{self.line}" + (f".{self.part}" if self.part else "")


Step = Add | Remove | Rename | Post


@dataclass(slots=True)
class Plan:
    """The people of a log and every step, in order."""

    bot_id: str
    people: list[Person] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    members: dict[str, str] = field(default_factory=dict)
    """Who is in the channel after the last step, and their names."""


def make_plan(
    lines: Sequence[Line], answers: Mapping[int, Sequence[int]], conversation_key: str
) -> Plan:
    """Turn a log into people and steps; ids follow from the key, so a second run finds them."""
    channel = _Channel(conversation_key)
    for line in lines:
        answered = answers.get(line.number, ())
        channel.take(line, [lines[number] for number in answered if 0 <= number < len(lines)])
    return channel.plan()


def rebuild(posts: Sequence[tuple[str | None, Mapping[str, Any]]]) -> str:
    """Give the text of a line back from the content and metadata of its stored parts."""
    first = posts[0][1]
    lead = first.get("lead")
    if lead is None:
        lead = _usual_lead(first.get("event"), first.get("time"), first.get("nick"))
    return str(lead) + "".join(_piece(content, metadata) for content, metadata in posts)


def _piece(content: str | None, metadata: Mapping[str, Any]) -> str:
    if "bytes" in metadata:
        return b64decode(metadata["bytes"]).decode("utf-8", "surrogateescape")
    return str(metadata.get("blank", "")) if content is None else content


def _usual_lead(event: str | None, time: str | None, nick: str | None) -> str:
    if event == Event.MESSAGE:
        return f"[{time}] <{nick}> "
    if event == Event.ACTION:
        return f"[{time}]  * {nick} " if time else f"=== {nick} "
    return ""


def fold(nick: str) -> str:
    """Say which nicks are the same: IRC ignores case, and logs put a space after each bracket."""
    return nick.replace("] ", "]").strip().lower().translate(_FOLDED)


class _Channel:
    """The channel as it is after the lines taken so far."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._born: Counter[str] = Counter()
        self._holders: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._inside: set[str] = set()
        self._people: list[Person] = []
        self._steps: list[Step] = []
        self._bot_id = self._user_id("bot")

    def plan(self) -> Plan:
        """Return what has come together."""
        members = {user_id: self._names[user_id] for user_id in self._inside}
        return Plan(self._bot_id, self._people, self._steps, members)

    def take(self, line: Line, answers: Sequence[Line]) -> None:
        """Append the steps of the next line."""
        sender_id = self._bot_id
        match line:
            case Line(event=Event.MESSAGE | Event.ACTION, nick=str(nick)):
                sender_id = self._present(line, nick)
            case Line(event=Event.JOIN, nick=str(nick)):
                self._present(line, nick)
            case Line(event=Event.PART | Event.QUIT, nick=str(nick)):
                user_id = self._present(line, nick)
                self._leave(line, user_id, user_id)
            case Line(event=Event.KICK, nick=str(nick)):
                self._leave(line, self._present(line, nick), self._bot_id)
            case Line(event=Event.NICK, nick=str(nick), other=str(new)):
                self._rename(line, self._present(line, nick), nick, new)
        answered, metadata = _choose(line, answers)
        self._steps += _posts(line, sender_id, answered, metadata)

    def _user_id(self, who: str) -> str:
        return str(uuid.uuid5(_PEOPLE, f"{self._key}\n{who}"))

    def _present(self, line: Line, nick: str) -> str:
        """Return the nick's holder, made known and a member by now."""
        folded = fold(nick)
        user_id = self._holders.get(folded)
        if user_id is None:
            self._born[folded] += 1
            user_id = self._user_id(f"nick {folded} {self._born[folded]}")
            self._holders[folded] = user_id
            self._names[user_id] = _display_name(nick)
            self._people.append(Person(user_id, self._names[user_id], len(self._steps)))
        if user_id not in self._inside:
            self._inside.add(user_id)
            self._steps.append(Add(line.number, user_id))
        return user_id

    def _leave(self, line: Line, user_id: str, actor_id: str) -> None:
        self._inside.remove(user_id)
        self._steps.append(Remove(line.number, user_id, actor_id))

    def _rename(self, line: Line, user_id: str, nick: str, new: str) -> None:
        gone = self._holders.get(fold(new))
        if gone not in (None, user_id) and gone in self._inside:
            self._leave(line, gone, self._bot_id)
        del self._holders[fold(nick)]
        self._holders[fold(new)] = user_id
        self._names[user_id] = _display_name(new)
        self._steps.append(Rename(line.number, user_id, self._names[user_id]))


def _display_name(nick: str) -> str:
    return nick.replace("] ", "]").strip()[:NAME_LIMIT]


def _choose(line: Line, answers: Sequence[Line]) -> tuple[int | None, dict[str, Any]]:
    """Choose the line a message answers: the nearest by whom it addresses, else the nearest.

    A message has one reply_to; the other lines it answers stay in its metadata.
    """
    metadata: dict[str, Any] = {}
    if line in answers:
        metadata["starts"] = True
    earlier = [one for one in answers if one.number < line.number]
    if not earlier:
        return None, metadata
    addressee = re.split(r"[\s:,;>]", fold(line.text), maxsplit=1)[0]
    addressed = [one for one in earlier if one.nick and fold(one.nick) == addressee]
    chosen = max(one.number for one in addressed or earlier)
    if others := [one.number for one in earlier if one.number != chosen]:
        metadata["also_answers"] = others
    return chosen, metadata


def _posts(line: Line, sender_id: str, answers: int | None, more: dict[str, Any]) -> Iterator[Post]:
    said = line.event in (Event.MESSAGE, Event.ACTION)
    about: dict[str, Any] = {"line": line.number, "event": line.event.value}
    if line.time:
        about["time"] = line.time
    if line.nick:
        about["nick"] = line.nick
    if line.other:
        about["other"] = line.other
    if said and line.lead != _usual_lead(line.event, line.time, line.nick):
        about["lead"] = line.lead
    kind = {Event.MESSAGE: "text", Event.ACTION: "action"}.get(line.event, "notice")
    pieces = _cut(line.text)
    for part, piece in enumerate(pieces):
        metadata: dict[str, Any] = {"line": line.number, "part": part}
        if part == 0:
            metadata = about | more
        content: str | None = piece
        if _is_odd(piece):
            metadata["bytes"] = b64encode(piece.encode("utf-8", "surrogateescape")).decode()
            content = _readable(piece)
        elif not piece.strip():
            # A text may not be blank, so nothing said is a type of its own.
            content = None
            if piece:
                metadata["blank"] = piece
        yield Post(
            line.number,
            part,
            sender_id,
            "blank" if content is None and kind == "text" else kind,
            content,
            metadata,
            answers if part == 0 else None,
        )


def _cut(text: str) -> list[str]:
    size = ODD_LIMIT if _is_odd(text) or not text.strip() else CONTENT_LIMIT
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


def _is_odd(text: str) -> bool:
    """Say whether PostgreSQL cannot hold the text: NUL, or bytes that were not UTF-8."""
    return any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _readable(text: str) -> str:
    return "".join(
        "\u2400" if c == "\0" else "\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text
    )
