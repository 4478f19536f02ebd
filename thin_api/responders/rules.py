"""A small bot that answers from a file of patterns: always the same to the same, at no cost.

The file is TOML: rules in order, the first whose pattern (a regular expression, case ignored) is
found in what was said answers it; `fallback` answers the rest. In an answer {name} is the user's
name, {0} what was found, {1} or {word} a group of the pattern; {{ and }} are braces.
"""

import contextlib
import re
import string
import tomllib
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from thin_api.responders import Opening, Request
from thin_api.settings import Settings, SettingsError

OURS = Path(__file__).parent / "rules.toml"
# Of a message; a pattern that backtracks badly takes the longer the more there is to read.
LONGEST_READ = 2000
STRANGER = "there"  # "Hello there!"

Template = Sequence[tuple[str, str | None]]  # texts, each with the place after it


class Rule(NamedTuple):
    """A pattern and its answer."""

    pattern: re.Pattern[str]
    answer: Template


class Rules:
    """The rules of a file."""

    def __init__(self, path: Path) -> None:
        try:
            document = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise _bad(path, f"cannot be read: {error}") from None
        rules = document.get("rules", [])
        if not isinstance(rules, list) or document.keys() - {"rules", "fallback"}:
            raise _bad(path, "holds something else than [[rules]] and fallback")
        self._rules = [_rule(path, f"rule {n}", rule) for n, rule in enumerate(rules, start=1)]
        self._fallback = _template(path, "fallback", document.get("fallback"), {"name"})

    async def answer(self, request: Request) -> AsyncGenerator[str, None]:
        """Answer in one piece the latest of what is unanswered that there is a rule for."""
        values = {"name": request.user.display_name or STRANGER}
        for said in reversed(request.unanswered):
            for rule in self._rules:
                if found := rule.pattern.search(said[:LONGEST_READ]):
                    yield _filled(rule.answer, values | _groups(found))
                    return
        yield _filled(self._fallback, values)


def opening(settings: Settings) -> Opening:
    """Read the file, by default our own; SettingsError if it cannot be used."""
    rules = Rules(settings.rules_file or OURS)
    return lambda: contextlib.nullcontext(rules.answer)


def _rule(path: Path, where: str, rule: Any) -> Rule:
    if not isinstance(rule, dict) or rule.keys() != {"pattern", "answer"}:
        raise _bad(path, f"{where} must have a pattern and an answer, nothing else")
    try:
        pattern = re.compile(rule["pattern"], re.IGNORECASE)
    except (re.error, TypeError) as error:
        raise _bad(path, f"{where} has no pattern: {error}") from None
    places = {"name", *map(str, range(pattern.groups + 1)), *pattern.groupindex}
    return Rule(pattern, _template(path, where, rule["answer"], places))


def _template(path: Path, where: str, answer: Any, places: set[str]) -> Template:
    if not isinstance(answer, str) or not answer.strip():
        raise _bad(path, f"{where} has no answer")
    try:
        parts = list(string.Formatter().parse(answer))
    except ValueError as error:
        raise _bad(path, f"{where}: {error}") from None
    for _, place, form, conversion in parts:
        if place is not None and (place not in places or form or conversion):
            raise _bad(path, f"{where} has nothing to put in place of {{{place}}}")
    return [(text, place) for text, place, _, _ in parts]


def _groups(found: re.Match[str]) -> dict[str, str]:
    numbered = enumerate((found[0], *found.groups("")))
    return {str(number): group for number, group in numbered} | found.groupdict("")


def _filled(template: Template, values: Mapping[str, str]) -> str:
    """Fill the places in, once: what users say is not read for places."""
    return "".join(text + (values[place] if place is not None else "") for text, place in template)


def _bad(path: Path, problem: str) -> SettingsError:
    return SettingsError(f"PARLEY_RULES_FILE={str(path)!r} {' '.join(problem.split())}")
