"""Any api function by name, the way PostgREST offers it."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from thin_api.auth import Caller
from thin_api.db import Function
from thin_api.endpoints import Services, answer_other_method, answer_result
from thin_api.errors import Failure
from thin_api.exchange import POSTGREST, Exchange, exchange_of

PROFILES = (b"api", b"public")  # the clients' default, and the schema there is
OBJECT = b"application/vnd.pgrst.object+json"
ACCEPTED = (b"application/json", b"application/*", b"*/*", OBJECT)
RESERVED = ("select", "order", "limit", "offset", "and", "or", "columns", "on_conflict")
FILTER = re.compile(
    r"(not\.)?(eq|neq|gte?|lte?|i?like|i?match|in|is|isdistinct|fts|cs|cd|ov)\b.*\..*"
)
READS, WRITES = b"GET, HEAD, OPTIONS, POST", b"OPTIONS, POST"


class RpcEndpoint:
    """`/rpc/{function}`, as an ASGI application."""

    def __init__(self, path: str, services: Services) -> None:
        self.path = path
        self._services = services

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer one call."""
        exchange = exchange_of(scope)
        exchange.route = self.path
        exchange.dialect = POSTGREST
        services = self._services
        name = exchange.read_path()["function"]
        if exchange.method not in ("GET", "HEAD", "POST"):
            known = services.database.catalogue.functions.get(name)
            allow = WRITES if known and known.writes else READS
            await answer_other_method(exchange, allow, code="PGRST101")
            return
        caller = await services.authenticator.caller(exchange.headers)
        exchange.user_id = caller.actor_id
        _check_profile(exchange)
        content_type = _content_type(exchange)
        if exchange.method == "POST":
            body, given = await self._from_body(exchange)
            function = await services.database.find(name, given)
        else:
            query = {f: v for f, v in exchange.query().items() if (f, v) != ("select", "*")}
            function = await services.database.find(name, query)
            body, given = _from_query(query, function)
        if function is None or not function.takes(given):
            raise _not_found(name, function, given)
        exchange.function = function.name
        _check_right(exchange, caller, function)

        result, status = await services.database.call_as(
            function,
            {argument: given[argument] for argument in function.arguments if argument in given},
            body,
            _claims(exchange, caller, given),
        )
        headers = (
            (b"content-type", content_type + b"; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-range", b"0-0/1" if _wants_count(exchange) else b"0-0/*"),
        )
        if function.returns == "void":
            await exchange.answer(204, b"")
        elif result is None:
            await exchange.answer(status or 200, b"null", headers)
        else:
            await answer_result(exchange, services.database, result, status or 200, headers)

    async def _from_body(self, exchange: Exchange) -> tuple[bytes, Mapping[str, Any]]:
        for field, value in exchange.query().items():
            if (field, value) != ("select", "*"):
                raise _unsupported(field)
        body = await exchange.body(self._services.settings.max_body_bytes)
        kind = exchange.headers.get(b"content-type", b"application/json")
        if body and kind.partition(b";")[0].strip().lower() not in (b"application/json", OBJECT):
            raise _unreadable("Content-Type not acceptable: use application/json")
        try:
            given = orjson.loads(body or b"{}")
        except ValueError:
            raise _unreadable("Empty or invalid json") from None
        if not isinstance(given, dict):
            raise _unreadable("The body must be a JSON object with the arguments by name")
        return body, given


def _from_query(
    query: Mapping[str, str], function: Function | None
) -> tuple[bytes, Mapping[str, Any]]:
    """Read arguments as text; the database turns each into its type, arrays like {1,2}."""
    known = function.arguments if function is not None else {}
    given: dict[str, Any] = {}
    for field, value in query.items():
        if field not in known and (field in RESERVED or FILTER.fullmatch(value)):
            raise _unsupported(field)
        is_json = field in known and known[field].type in ("json", "jsonb")
        given[field] = _document(value) if is_json else value
    return orjson.dumps(given), given


def _not_found(name: str, function: Function | None, given: Mapping[str, Any]) -> Failure:
    called = f"api.{name}({', '.join(sorted(given))})"
    hint = None
    if function is not None:
        hint = f"Perhaps you meant to call api.{name}({', '.join(sorted(function.arguments))})"
    return Failure(
        "not_found",
        f"Could not find the function {called} in the schema cache",
        code="PGRST202",
        details=f"Searched for the function {called}, but no matches were found.",
        hint=hint,
    )


def _check_right(exchange: Exchange, caller: Caller, function: Function) -> None:
    if not caller.service and not function.open_to_users:
        raise Failure(
            "permission_denied", f"permission denied for function {function.name}", code="42501"
        )
    if exchange.method != "POST" and function.writes:
        raise Failure(
            "unsupported",
            f"{function.name} writes: call it with POST",
            status=405,
            code="25006",
            headers=((b"allow", WRITES),),
        )


def _claims(exchange: Exchange, caller: Caller, given: Mapping[str, Any]) -> str:
    """Give the database what it needs to hold a user to being themself."""
    if not caller.service:
        return caller.claims
    if b"x-actor-id" in exchange.headers and "p_actor_id" not in given:
        return orjson.dumps({"sub": caller.actor_id}).decode()
    return ""


def _check_profile(exchange: Exchange) -> None:
    header = b"content-profile" if exchange.method == "POST" else b"accept-profile"
    if exchange.headers.get(header, PROFILES[0]) not in PROFILES:
        raise Failure(
            "unsupported",
            "The schema must be one of the following: api",
            status=406,
            code="PGRST106",
        )


def _content_type(exchange: Exchange) -> bytes:
    accept = exchange.headers.get(b"accept", b"*/*")
    for part in accept.lower().split(b","):
        kind = part.partition(b";")[0].strip()
        if kind in ACCEPTED:
            return OBJECT if kind == OBJECT else b"application/json"
    raise Failure(
        "unsupported",
        "None of these media types are available: use application/json",
        status=415,
        code="PGRST107",
    )


def _wants_count(exchange: Exchange) -> bool:
    return b"count=" in exchange.headers.get(b"prefer", b"")


def _unsupported(field: str) -> Failure:
    return Failure(
        "unsupported",
        f"Filtering a result is not supported: {field}",
        code="PGRST127",
        details={"field": field},
    )


def _document(value: str) -> Any:
    try:
        return orjson.Fragment(orjson.dumps(orjson.loads(value)))
    except ValueError:
        raise Failure(
            "validation_error", "invalid input syntax for type json", code="22P02"
        ) from None


def _unreadable(message: str) -> Failure:
    return Failure("validation_error", message, code="PGRST102", details={"field": "body"})
