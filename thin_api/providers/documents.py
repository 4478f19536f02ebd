"""JSON from outside, read so that whatever it holds can be stored."""

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import orjson

from thin_api.providers import Unreadable

# An escaped NUL, not an escaped backslash followed by u0000; PostgreSQL cannot store the character.
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
REPLACEMENT = r"\1\\ufffd"


def loads(written: str) -> Any:
    """Parse JSON; NUL and halves of characters become U+FFFD."""
    if "\\u0000" in written:
        written = NUL.sub(REPLACEMENT, written)
    try:
        return orjson.loads(written)
    except ValueError:
        return _loads_leniently(written)


def objects(parent: Any, name: str) -> Sequence[dict[str, Any]]:
    """Return the objects of a list that should be there."""
    found = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(found, list):
        return ()
    return [one for one in found if isinstance(one, dict)]


def part(parent: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object within another; an empty one if there is none."""
    found = parent.get(name)
    return found if isinstance(found, dict) else {}


def _loads_leniently(written: str) -> Any:
    """Parse what orjson is too strict for: escaped halves of surrogate pairs."""
    try:
        document = json.loads(written, parse_constant=_refuse)
        whole = json.dumps(document, ensure_ascii=False)
        return orjson.loads(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        raise Unreadable from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
