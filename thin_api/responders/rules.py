"""A small bot that answers from a file of patterns: always the same to the same, at no cost.

The file is TOML: rules in order, the first whose pattern (a regular expression, case ignored) is
found in the question answers it; `fallback` answers the rest. In an answer {name} is the user's
name, {0} what was found, {1} or {word} a group of the pattern; {{ and }} are braces.
"""

import contextlib
import re
import string
import tomllib
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from thin_api.responders import Opening, Request
from thin_api.settings import Settings, SettingsError

OURS = Path(__file__).parent / "rules.toml"
# Of a question; a pattern that backtracks badly takes the longer the more there is to read.
LONGEST_READ = 2000
STRANGER = "there"  # "Hello there!"

Part = tuple[str, str | None]  # a text, and the place after it


class Rule(NamedTuple):
    """A pattern and its answer, cut where something is to be filled in."""

    pattern: re.Pattern[str]
    answer: Sequence[Part]


class Rules:
    """The rules of a file."""

    def __init__(self, path: Path) -> None:
        try:
            document = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise _bad(path, f"cannot be read: {error}") from None
        rules = document.get("rules", [])
        if not isinstance(rules, list) or document.keys() - {"rules", "fallback"}:
            raise _bad(path, "holds something else than [[rules]] and fallback")
        self._rules = [_rule(path, number, rule) for number, rule in enumerate(rules, start=1)]
        anything = {"pattern": "", "answer": document.get("fallback")}
        self._rules.append(_rule(path, "fallback", anything))

    async def answer(self, request: Request) -> AsyncGenerator[str, None]:
        """Answer in one piece."""
        question = request.question[:LONGEST_READ]
        for rule in self._rules:
            if found := rule.pattern.search(question):
                yield _filled(rule.answer, found, request.user.display_name or STRANGER)
                return


def opening(settings: Settings) -> Opening:
    """Read the file, by default our own; SettingsError if it cannot be used."""
    rules = Rules(settings.rules_file or OURS)
    return lambda: contextlib.nullcontext(rules.answer)


def _rule(path: Path, number: int | str, rule: Any) -> Rule:
    where = f"rule {number}" if isinstance(number, int) else number
    if not isinstance(rule, dict) or rule.keys() != {"pattern", "answer"}:
        raise _bad(path, f"{where} must have a pattern and an answer, nothing else")
    pattern, answer = rule["pattern"], rule["answer"]
    if not isinstance(pattern, str) or not isinstance(answer, str) or not answer.strip():
        raise _bad(path, f"{where} must be texts, and the answer must not be empty")
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
        parts = list(_parts(answer))
    except (re.error, ValueError) as error:
        raise _bad(path, f"{where}: {error}") from None
    places = {place for _, place in parts if place is not None}
    if unknown := sorted(places - set(_places(compiled))):
        raise _bad(path, f"{where} has nothing to put in place of {{{unknown[0]}}}")
    return Rule(compiled, parts)


def _parts(answer: str) -> Iterable[Part]:
    for text, place, form, conversion in string.Formatter().parse(answer):
        if form or conversion:
            raise ValueError(f"{{{place}}} takes no format")
        yield text, place


def _places(pattern: re.Pattern[str]) -> Iterable[str]:
    yield "name"
    yield from map(str, range(pattern.groups + 1))
    yield from pattern.groupindex


def _filled(parts: Sequence[Part], found: re.Match[str], name: str) -> str:
    """Fill the places in, once: what users say is not read for places."""
    groups: Mapping[str, str] = {"name": name} | found.groupdict("")
    return "".join(
        text + ("" if place is None else groups[place] if place in groups else _group(found, place))
        for text, place in parts
    )


def _group(found: re.Match[str], place: str) -> str:
    return found[int(place)] or ""


def _bad(path: Path, problem: str) -> SettingsError:
    return SettingsError(f"PARLEY_RULES_FILE={str(path)!r} {' '.join(problem.split())}")
