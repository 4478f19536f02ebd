"""From a row of the route table to an answer."""

import dataclasses
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from thin_api import arguments, batch, errors
from thin_api.arguments import Convert
from thin_api.auth import Authenticator, Caller
from thin_api.db import Catalogue, Database
from thin_api.errors import RETRY_AFTER, Failure, Headers
from thin_api.exchange import JSON_HEADERS, Exchange, exchange_of
from thin_api.routes import Operation
from thin_api.settings import Settings

log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Services:
    """What endpoints work with."""

    settings: Settings
    database: Database
    authenticator: Authenticator
    sender: batch.Sender


Call = Callable[[Mapping[str, Any]], Awaitable[bytes]]
Source = Mapping[str, tuple[str, str, Convert]]  # field -> argument, its type, its converter


@dataclasses.dataclass(frozen=True, slots=True)
class Binding:
    """An operation tied to the functions of one catalogue."""

    catalogue: Catalogue
    path: Source
    query: Source
    body: Source


class Endpoint:
    """All methods of one path, as an ASGI application."""

    def __init__(self, path: str, operations: Sequence[Operation], services: Services) -> None:
        self.path = path
        self._services = services
        self._operations = {operation.method: operation for operation in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]
        self._allow = ", ".join(sorted([*self._operations, "OPTIONS"])).encode()
        self._bindings: dict[str, Binding] = {}
        self._calls = {method: self._call(op) for method, op in self._operations.items()}

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer one request."""
        exchange = exchange_of(scope)
        exchange.route = self.path
        operation = self._operations.get(exchange.method)
        if operation is None:
            await answer_other_method(exchange, self._allow)
            return
        exchange.function = operation.function
        caller = await self._caller(exchange, operation)
        exchange.user_id = caller.actor_id
        given = await self._given(exchange, operation, caller)
        if "p_source" in given and not caller.service:
            result = await self._call_as(operation.function, given, caller)
        else:
            result = await self._calls[exchange.method](given)
        if operation.method != "GET":
            exchange.message_id = errors.message_told(result)
        await self._answer(exchange, operation, caller, given, result)

    async def _caller(self, exchange: Exchange, _operation: Operation) -> Caller:
        return await self._services.authenticator.caller(exchange.headers)

    async def _answer(
        self,
        exchange: Exchange,
        operation: Operation,
        _caller: Caller,
        _given: Mapping[str, Any],
        result: bytes,
    ) -> None:
        await answer_result(exchange, self._services.database, result, operation.status)

    def _call(self, operation: Operation) -> Call:
        if operation.function == batch.SEND:
            return self._services.sender.send
        database, function = self._services.database, operation.function
        return lambda given: database.call(function, given)

    async def _call_as(self, name: str, given: Mapping[str, Any], caller: Caller) -> bytes:
        """Call with the caller's claims: what they may say of themselves, the database knows."""
        database = self._services.database
        body = orjson.dumps(batch.as_json(given))
        result, _ = await database.call_as(database.function(name), given, body, caller.claims)
        assert result is not None  # noqa: S101 - functions that take p_source return jsonb
        return result

    async def _given(
        self, exchange: Exchange, operation: Operation, caller: Caller
    ) -> dict[str, Any]:
        if operation.service and not caller.service:
            raise Failure("permission_denied", "this needs a service token")
        binding = self._binding(operation)
        given: dict[str, Any] = {}
        for field, (argument, _, convert) in binding.path.items():
            given[argument] = convert(field, exchange.read_path()[field])
        for argument in operation.actor_arguments:
            if caller.actor_id is None:
                if operation.anybody:
                    continue
                raise errors.invalid("X-Actor-Id", "is missing: this service token has no subject")
            given[argument] = caller.actor_id
        query = self._query(exchange, operation)
        _refuse_unknown(query, binding.query)
        for field, (argument, kind, convert) in binding.query.items():
            if field in query:
                value = arguments.from_text(kind, field, query[field])
                given[argument] = convert(field, value)
        if operation.method != "GET":
            body = await self._body(exchange, operation)
            _refuse_unknown(body, binding.body)
            for field, (argument, _, convert) in binding.body.items():
                value = body.get(field)
                if value is not None:  # null is what the function takes by default
                    given[argument] = convert(field, value)
        return given

    def _query(self, exchange: Exchange, _operation: Operation) -> dict[str, str]:
        return exchange.query()

    async def _body(self, exchange: Exchange, _operation: Operation) -> dict[str, Any]:
        raw = await exchange.json_body(self._services.settings.max_body_bytes)
        if not raw:
            return {}
        body = arguments.parse(raw)
        if not isinstance(body, dict):
            raise errors.invalid("body", "must be a JSON object")
        return body

    def _binding(self, operation: Operation) -> Binding:
        catalogue = self._services.database.catalogue
        binding = self._bindings.get(operation.method)
        if binding is None or binding.catalogue is not catalogue:
            binding = self._bind(catalogue, operation)
            self._bindings[operation.method] = binding
        return binding

    def _bind(self, catalogue: Catalogue, operation: Operation) -> Binding:
        known = self._services.database.function(operation.function).arguments

        def source(fields: Mapping[str, str]) -> Source:
            return {
                field: (name, known[name].type, arguments.CONVERTERS[known[name].type])
                for field, name in fields.items()
            }

        return Binding(
            catalogue,
            path=source(operation.path_fields),
            query=source(operation.query_fields),
            body=source(operation.body_fields),
        )


async def answer_other_method(exchange: Exchange, allow: bytes, code: str | None = None) -> None:
    """Answer OPTIONS, refuse any other method this path does not have."""
    if exchange.method != "OPTIONS":
        raise Failure(
            "unsupported",
            f"this path does not take {exchange.method}",
            status=405,
            code=code,
            headers=((b"allow", allow),),
        )
    await exchange.answer(204, b"", ((b"allow", allow),))


async def answer_result(
    exchange: Exchange,
    database: Database,
    result: bytes,
    success: int,
    headers: Headers = JSON_HEADERS,
) -> None:
    """Send a function's result as it came, with the status its content stands for."""
    refusal = errors.refused(result)
    if refusal is None:
        status = 200 if success == 201 and errors.repeated(result) else success
    else:
        known = await database.status(str(refusal.get("error")))
        if known is None:
            error_id = secrets.token_hex(8)
            log.error("unknown_error_code", error_id=error_id, function=exchange.function)
            raise errors.internal(error_id)
        status = known
        headers = (*headers, *exchange.error_headers(str(refusal.get("code"))))
        if status in (429, 503):
            headers = (*headers, RETRY_AFTER)
    await exchange.answer(status, result, headers)


def _refuse_unknown(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for field in given:
        if field not in known:
            raise errors.invalid(field, "is not a field of this request")
