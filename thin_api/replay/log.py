"""An IRC log as typed events: every line becomes one, and gives its text back unchanged."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Event(StrEnum):
    """What a line of the log tells."""

    MESSAGE = "message"
    ACTION = "action"
    JOIN = "join"
    PART = "part"
    QUIT = "quit"
    KICK = "kick"
    NICK = "nick"
    TOPIC = "topic"
    MODE = "mode"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what was said for a message or an action, else what the channel told."""

    number: int
    raw: str
    event: Event
    text: str
    time: str | None = None
    nick: str | None = None
    other: str | None = None  # the new nick of a rename, who kicked, who set a topic or mode

    @property
    def lead(self) -> str:
        """What stands before the text: text and lead together are the line."""
        return self.raw[: len(self.raw) - len(self.text)]


# A nick has no spaces, but logs of 2005 to 2007 put one after every `]`, also inside a nick.
_PLAIN_NICK = r"[^\s\x00-\x1f\ud800-\udfff]{1,64}"
_NICK = r"(?:[^\s\x00-\x1f\ud800-\udfff]|(?<=\]) ){1,64}"
_SHOWN = r"[^>\x00-\x1f\ud800-\udfff]"
_TIME = r"\[(?P<time>\d\d:\d\d(?::\d\d)?)\]"
_HOST = rf"=== (?P<nick>{_NICK}) \[.*?\]\s+has"
_SHAPES: tuple[tuple[Event, re.Pattern[str]], ...] = tuple(
    (event, re.compile(shape, re.DOTALL))
    for event, shape in (
        (
            Event.MESSAGE,
            rf"{_TIME} <(?=\s*[^\s>])(?P<nick>[^>\x00-\x1f\ud800-\udfff]{{1,64}})> ?(?P<text>.*)",
        ),
        (Event.ACTION, rf"{_TIME}\s{{1,8}}\* (?P<nick>{_PLAIN_NICK})(?: (?P<text>.*))?"),
        (Event.JOIN, rf"{_HOST} joined \S+\s*"),
        (Event.PART, rf"{_HOST} left \S+(?:\s.*)?"),
        (Event.QUIT, rf"{_HOST} quit(?:\s.*)?"),
        (
            Event.KICK,
            rf"=== (?P<nick>{_NICK}) was kicked off \S+ by (?P<other>{_NICK})(?:\s+\(.*\)\s*)?",
        ),
        (Event.NICK, rf"=== (?P<nick>{_NICK}) is now known as (?P<other>{_NICK})\s*"),
        (Event.TOPIC, rf"=== \.\.\[topic/\S+?:(?P<other>{_NICK}?)\] ?: .*"),
        (Event.MODE, rf"=== mode/\S+ \[.*\]\s+by (?P<other>{_NICK})\s*"),
        # What is left after `===` and starts with a possible nick is an action of the older format.
        (Event.ACTION, r"=== (?P<nick>(?:[A-Za-z0-9_\-\[\]\\`^{}|]|(?<=\]) ){1,64}) (?P<text>.*)"),
    )
)


def parse_line(number: int, raw: str) -> Line:
    """Tell what one line is; a line of no known shape is an OTHER, never an error."""
    for event, shape in _SHAPES:
        if found := shape.fullmatch(raw):
            parts = found.groupdict()
            said = event in (Event.MESSAGE, Event.ACTION)
            return Line(
                number,
                raw,
                event,
                text=(parts.get("text") or "") if said else raw,
                time=parts.get("time"),
                nick=parts.get("nick"),
                other=parts.get("other"),
            )
    return Line(number, raw, Event.OTHER, text=raw)


def parse(text: str) -> list[Line]:
    """Parse a whole log, lines counted from 0; the newline that ends the last line starts none."""
    rows = text.split("\n")
    if rows[-1] == "":
        rows.pop()
    return [parse_line(number, row) for number, row in enumerate(rows)]


def read_log(path: Path) -> list[Line]:
    """Read a log; bytes that are not UTF-8 survive as surrogates."""
    return parse(path.read_bytes().decode("utf-8", "surrogateescape"))


def log_name(path: Path) -> str:
    """Name a log after its file: `2006-06-01.raw.txt` is `2006-06-01`."""
    return path.name.removesuffix(".txt").removesuffix(".raw")


def annotation_path(path: Path) -> Path:
    """Say where the replies of a log are told, whether or not that file exists."""
    return path.with_name(f"{log_name(path)}.annotation.txt")


def read_answers(path: Path) -> Mapping[int, list[int]]:
    """Read `a b -` rows as {b: [a, ...]}: line b answers lines a; itself where a talk starts."""
    answers: defaultdict[int, list[int]] = defaultdict(list)
    for row in path.read_text(encoding="utf-8").splitlines():
        if row.strip():
            first, second = row.split()[:2]
            answers[max(int(first), int(second))].append(min(int(first), int(second)))
    return {line: sorted(earlier) for line, earlier in answers.items()}
