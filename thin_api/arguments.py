"""From what a caller wrote to what PostgreSQL takes, by the type the function declares."""

import datetime
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from thin_api import errors
from thin_api.errors import Failure

UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
WHOLE = re.compile(r"-?[0-9]{1,19}")
LONG_NUMBER = re.compile(rb"[0-9]{17}")  # orjson turns integers past 64 bits into floats
Convert = Callable[[str, Any], Any]


def parse(body: bytes) -> Any:
    """Parse JSON strictly; integers keep every digit."""
    try:
        value = orjson.loads(body)
        return json.loads(body) if LONG_NUMBER.search(body) else value
    except (ValueError, RecursionError):
        raise Failure(
            "validation_error", "the body is not valid JSON", details={"field": "body"}
        ) from None


def uuid(field: str, value: Any) -> str:
    """Take a uuid in its canonical form."""
    if isinstance(value, str) and UUID.fullmatch(value):
        return value
    raise errors.invalid(field, "must be a uuid")


def text(field: str, value: Any) -> str:
    """Take a string PostgreSQL can store."""
    if not isinstance(value, str):
        raise errors.invalid(field, "must be a string")
    if "\x00" in value:
        raise errors.invalid(field, "contains the character NUL")
    return value


def boolean(field: str, value: Any) -> bool:
    """Take true or false."""
    if isinstance(value, bool):
        return value
    raise errors.invalid(field, "must be true or false")


def moment(field: str, value: Any) -> datetime.datetime:
    """Take a point in time with its offset."""
    try:
        when = datetime.datetime.fromisoformat(text(field, value))
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise errors.invalid(field, "must be a time such as 2026-01-31T12:00:00Z")
    return when


def document(field: str, value: Any) -> bytes:
    """Take any JSON value PostgreSQL can store."""
    try:
        written = orjson.dumps(value)
    except TypeError:  # an integer past 64 bits, or nested too deeply
        written = _written(field, value)
    if b"\\u0000" in written and _has_nul(value):
        raise errors.invalid(field, "contains the character NUL")
    return written


def uuids(field: str, value: Any) -> list[str]:
    """Take an array of uuids."""
    if not isinstance(value, list):
        raise errors.invalid(field, "must be an array of uuids")
    return [uuid(f"{field}[{n}]", one) for n, one in enumerate(value)]


def whole(low: int, high: int) -> Convert:
    """Make a converter for an integer type."""

    def convert(field: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise errors.invalid(field, "must be a whole number")
        if not low <= value <= high:
            raise errors.invalid(field, f"must be between {low} and {high}")
        return value

    return convert


# The types an argument of a function behind a route may have.
CONVERTERS: Mapping[str, Convert] = {
    "uuid": uuid,
    "text": text,
    "boolean": boolean,
    "integer": whole(-(2**31), 2**31 - 1),
    "bigint": whole(-(2**63), 2**63 - 1),
    "jsonb": document,
    "timestamp with time zone": moment,
    "uuid[]": uuids,
}


def from_text(kind: str, field: str, value: str) -> Any:
    """Read a path or query value as the JSON value it stands for."""
    if kind in ("integer", "bigint"):
        if not WHOLE.fullmatch(value):
            raise errors.invalid(field, "must be a whole number")
        return int(value)
    if kind == "boolean":
        return {"true": True, "false": False}.get(value, value)
    return value


def _written(field: str, value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise errors.invalid(field, "cannot be stored") from None


def _has_nul(value: Any) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if "\x00" in one:
                return True
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
    return False
