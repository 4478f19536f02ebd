"""Error bodies, and what the database's exceptions mean for a caller."""

import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

Headers = Iterable[tuple[bytes, bytes]]

# What the thin layer itself may answer, known even with no database; a test compares these with
# api.error_codes, from which all other statuses are read.
STATUSES: Mapping[str, int] = {
    "validation_error": 400,
    "unsupported": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "too_large": 413,
    "rate_limited": 429,
    "internal_error": 500,
    "unavailable": 503,
}
# PostgreSQL puts shorter keys first: in a result its message, in a message its id.
MESSAGE_FIRST = re.compile(rb'\{"message": \{"id": "([0-9a-f-]{36})"')
RETRY_AFTER = (b"retry-after", b"1")


class Failure(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """A request that ends in an error body."""

    def __init__(
        self,
        error: str,
        message: str,
        *,
        details: Any = None,
        hint: str | None = None,
        status: int | None = None,
        code: str | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(error, message)
        self.error = error
        self.message = message
        self.details = details
        self.hint = hint
        self.status = STATUSES[error] if status is None else status
        self.code = f"PT{self.status}" if code is None else code
        self.headers = (*headers, RETRY_AFTER) if self.status in (429, 503) else tuple(headers)

    def body(self) -> bytes:
        """Render the refusal of CONTRACT section 1."""
        return orjson.dumps(
            {
                "success": False,
                "error": self.error,
                "code": self.code,
                "message": self.message,
                "details": self.details,
                "hint": self.hint,
            }
        )


def invalid(field: str, problem: str) -> Failure:
    """Refuse one argument, naming it."""
    return Failure("validation_error", f"{field} {problem}", details={"field": field})


def unavailable(message: str) -> Failure:
    """Answer that the database cannot serve this now."""
    return Failure("unavailable", message)


def internal(error_id: str) -> Failure:
    """Answer a bug of ours: the caller gets the id that finds it in the log, nothing else."""
    return Failure(
        "internal_error", "something went wrong on our side", details={"error_id": error_id}
    )


class Cause(enum.Enum):
    """Why a database call raised."""

    CONFLICT = enum.auto()  # rolled back; the same call may succeed at once
    LOCKED = enum.auto()  # rolled back; somebody holds a row for long
    BUSY = enum.auto()  # rolled back; the database lacks time or resources
    LOST = enum.auto()  # the connection broke: nobody knows whether it committed
    CHANGED = enum.auto()  # a function is not what the catalogue says
    ARGUMENT = enum.auto()  # a value the caller sent cannot be what its type says
    FORBIDDEN = enum.auto()
    RAISED = enum.auto()  # SQLSTATE PTnnn: a refusal raised by api.must
    BUG = enum.auto()


CAUSES: Mapping[str, Cause] = {
    "40001": Cause.CONFLICT,  # serialization_failure
    "40P01": Cause.CONFLICT,  # deadlock_detected
    "55P03": Cause.LOCKED,  # lock_not_available
    "57014": Cause.BUSY,  # query_canceled: statement_timeout
    "25006": Cause.BUSY,  # read_only_sql_transaction: a standby not yet promoted
    "42883": Cause.CHANGED,  # undefined_function
    "42725": Cause.CHANGED,  # ambiguous_function
    "0A000": Cause.CHANGED,  # feature_not_supported: cached plan must not change result type
    "42501": Cause.FORBIDDEN,  # insufficient_privilege
    "22000": Cause.ARGUMENT,  # data_exception: asyncpg cannot encode the value
    "22001": Cause.ARGUMENT,  # string_data_right_truncation
    "22003": Cause.ARGUMENT,  # numeric_value_out_of_range
    "22007": Cause.ARGUMENT,  # invalid_datetime_format
    "22008": Cause.ARGUMENT,  # datetime_field_overflow
    "22009": Cause.ARGUMENT,  # invalid_time_zone_displacement_value
    "22021": Cause.ARGUMENT,  # character_not_in_repertoire
    "22023": Cause.ARGUMENT,  # invalid_parameter_value
    "22030": Cause.ARGUMENT,  # duplicate_json_object_key_value
    "22032": Cause.ARGUMENT,  # invalid_json_text
    "22P02": Cause.ARGUMENT,  # invalid_text_representation
    "22P03": Cause.ARGUMENT,  # invalid_binary_representation
    "22P05": Cause.ARGUMENT,  # untranslatable_character: \u0000 in jsonb
}
CLASSES: Mapping[str, Cause] = {
    "08": Cause.LOST,  # connection_exception
    "53": Cause.BUSY,  # insufficient_resources
    "57": Cause.LOST,  # operator_intervention: shutdown, crash, starting up
    "PT": Cause.RAISED,
}


def cause(sqlstate: str) -> Cause:
    """Look a SQLSTATE up: by itself, then by its class; the rest is a bug of ours."""
    return CAUSES.get(sqlstate) or CLASSES.get(sqlstate[:2], Cause.BUG)


def refused(body: bytes) -> dict[str, Any] | None:
    """Return a result's refusal, or None for a success.

    PostgreSQL writes jsonb in one way only, so a text without this pair is no refusal; one that has
    it may still have it deeper down, and is parsed.
    """
    if b'"success": false' not in body:
        return None
    result = orjson.loads(body)
    return result if isinstance(result, dict) and result.get("success") is False else None


def message_told(body: bytes) -> str | None:
    """Return the id of the message a result begins with, to be found by in the log."""
    found = MESSAGE_FIRST.match(body)
    return found[1].decode() if found else None


def repeated(body: bytes) -> bool:
    """Tell whether a creation found that it had already happened."""
    if b'"duplicate": true' not in body and b'"created": false' not in body:
        return False
    result = orjson.loads(body)
    return result.get("duplicate") is True or result.get("created") is False
