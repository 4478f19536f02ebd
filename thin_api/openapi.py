"""OpenAPI 3.1, made from the route table, the functions and the error codes."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from thin_api import pages
from thin_api.db import Argument, Catalogue, Function
from thin_api.endpoints import Services, answer_other_method
from thin_api.exchange import exchange_of
from thin_api.routes import OPERATIONS, Operation

PATH = "/openapi.json"
Schema = Mapping[str, Any]
Codes = Mapping[str, Sequence[str]]

DESCRIPTION = """\
Every call is one PostgreSQL function. A success is `{"success": true, ...}`, a refusal \
`{"success": false, "error": <code>, ...}` with the status of its code. Send \
`Authorization: Bearer <JWT>`; its `sub` is the user. Calls that create something take a key of \
yours (`client_message_id`, `client_key`): sent again with it, they answer with the first result \
and `"duplicate": true`.\
"""
SOCKETS = """\
First `{"type": "ready", "conversations": [...]}`, then what is missing after each cursor, then \
what happens, in the shape of `list_changes`: per conversation each log number once and in order; \
`skip` stands for a number the caller may not see, `reset` says that too much is missing to be \
told one by one. A WebSocket is greeted with \
`{"type": "hello", "token": <JWT>, "cursors": {<conversation_id>: <seq>}}`; then it takes `read` \
and `delivered` (`conversation_id`, `seq`), `typing` (`conversation_id`) and `ping`. Close codes: \
4401 bad or expired token, 4408 no hello, 1013 too slow (come back with cursors), 1012 restart.\
"""
RUN_STREAM = """\
Events: `run_created` (of a question just asked: what it is answered without `stream`), then \
`run_delta` (`attempt`, `offset`, `content`: more of the answer, to be put after so many \
characters of it; at offset 0 the answer starts over), last `run_completed` or `run_failed` (what \
a GET of the run answers, with the whole `message`), or `error`. An event's `id` is \
`attempt:characters`: a stream that ended early goes on after it with `Last-Event-ID`, or with \
`attempt` and `after`, in any process and also when the run is over. Who leaves a stream cancels \
nothing.\
"""
EVERYWHERE = (
    "validation_error",
    "unauthenticated",
    "permission_denied",
    "internal_error",
    "unavailable",
)
WITH_BODY = ("too_large",)
WEBHOOK_CODES = ("validation_error", "permission_denied", "internal_error", "unavailable")

UUID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}
TYPES: Mapping[str, Schema] = {
    "uuid": UUID,
    "text": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32"},
    "bigint": {"type": "integer", "format": "int64"},
    "timestamp with time zone": TIME,
    "uuid[]": {"type": "array", "items": UUID},
    "jsonb": {},
}
EXAMPLES: Mapping[str, Any] = {
    "p_client_key": "8c1f4b1e",
    "p_client_message_id": "3f9d2a70",
    "p_contact": {"phone": "+4915112345678"},
    "p_content": "Hello!",
    "p_display_name": "Ada",
    "p_emoji": "\N{THUMBS UP SIGN}",
    "p_expires_after": {"anchor": "created_at", "seconds": 3600},
    "p_initial_message": "Hello!",
    "p_kind": "group",
    "p_limit": 50,
    "p_metadata": {"colour": "green"},
    "p_order": "desc",
    "p_query": "hello",
    "p_rate_limits": {"max_requests_per_1_minute": 60},
    "p_role": "admin",
    "p_seq": 1,
    "p_title": "Weekend",
    "p_type": "text",
    "p_user": "018f2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
    "p_workflow": {"id": "support"},
}
EXAMPLE_ID = "018f2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"


def _object(properties: Mapping[str, Any], required: Sequence[str] | None = None) -> Schema:
    names = list(properties) if required is None else list(required)
    return {"type": "object", "properties": properties, "required": names}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
CONVERSATION: Mapping[str, Schema] = {
    "conversation_id": UUID,
    "kind": {"enum": ["direct", "group", "help", "inbox", "assistant"]},
    "title": _nullable(TEXT),
    "canonical_key": _nullable(TEXT),
    "metadata": {},
    "created_by": _nullable(UUID),
    "created_at": TIME,
    "closed_at": _nullable(TIME),
    "history": {"enum": ["all", "joined"]},
    "last_seq": NUMBER,
    "last_message_at": _nullable(TIME),
    "member_count": NUMBER,
}
SCHEMAS: Mapping[str, Schema] = {
    "Message": _object(
        {
            "id": UUID,
            "conversation_id": UUID,
            "seq": NUMBER,
            "sender_id": _nullable(UUID),
            "sender_name": _nullable(TEXT),
            "source": {"enum": ["person", "contact", "bot", "automation", "system"]},
            "type": TEXT,
            "content": _nullable(TEXT),
            "metadata": {},
            "reply_to_id": _nullable(UUID),
            "client_message_id": _nullable(TEXT),
            "created_at": TIME,
            "edited_at": _nullable(TIME),
            "deleted_at": _nullable(TIME),
            "reactions": {"type": "array"},
        }
    ),
    "Conversation": _object(CONVERSATION),
    "Contact": _object(
        {
            "id": UUID,
            "display_name": TEXT,
            "identities": {"type": "array", "items": _object({"kind": TEXT, "value": TEXT})},
        }
    ),
    "Thread": _object(
        {
            **CONVERSATION,
            "contact": _ref("Contact"),
            "channel": _object({"channel_id": UUID, "provider": TEXT, "display_name": TEXT}),
            "assignee_id": _nullable(UUID),
            "responder_id": _nullable(UUID),
            "taken_over_at": _nullable(TIME),
            "window_open_until": _nullable(TEXT),
            "read_seq": NUMBER,
            "unread_count": NUMBER,
            "last_activity_at": TIME,
            "last_message": _nullable(_ref("Message")),
        }
    ),
    "User": _object(
        {
            "user_id": UUID,
            "tenant_id": UUID,
            "display_name": TEXT,
            "kind": {"enum": ["person", "bot", "contact"]},
            "external_id": _nullable(TEXT),
            "email": _nullable(TEXT),
            "created_at": TIME,
            "deactivated_at": _nullable(TIME),
        }
    ),
    "Session": _object(
        {
            "id": UUID,
            "user_id": UUID,
            "created_at": TIME,
            "expires_at": TIME,
            "status": {"enum": ["active", "expired", "cancelled"]},
            "configuration": {"type": "object"},
        }
    ),
    "AssistantThread": _object(
        {
            "id": UUID,
            "session_id": _nullable(UUID),
            "user_id": UUID,
            "title": _nullable(TEXT),
            "metadata": {},
            "created_at": {"type": ["string", "integer"]},
            "closed_at": _nullable(TIME),
            "last_seq": NUMBER,
        }
    ),
    "Run": _object(
        {
            "id": UUID,
            "thread_id": UUID,
            "conversation_id": UUID,
            "session_id": _nullable(UUID),
            "status": {
                "enum": ["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
            },
            "message_id": UUID,
            "answer_id": _nullable(UUID),
            "attempt": NUMBER,
            "error": _nullable(_object({"code": TEXT, "message": TEXT})),
            "created_at": TIME,
            "started_at": _nullable(TIME),
            "finished_at": _nullable(TIME),
            "expires_at": TIME,
        }
    ),
    "Refusal": _object(
        {
            "success": {"const": False},
            "error": TEXT,
            "code": TEXT,
            "message": TEXT,
            "details": {},
            "hint": _nullable(TEXT),
        }
    ),
}
# What a function's result holds, beside success; `name:what` where a name is of several things.
RETURNS: Mapping[str, str] = {
    "add_members_atomic": "message affected_count",
    "add_reaction_atomic": "message",
    "assign_thread_atomic": "conversation_id thread",
    "cancel_run_atomic": "run_id conversation_id message data:run",
    "cancel_session_atomic": "session_id data:session",
    "change_member_role_atomic": "message",
    "close_conversation_atomic": "conversation",
    "create_conversation_atomic": "conversation_id conversation message",
    "create_help_request_atomic": "help_request_id help_request",
    "create_run_atomic": "run_id conversation_id message data:run",
    "create_session_atomic": "session_id client_secret data:session",
    "create_thread_atomic": "thread_id conversation_id data:thread",
    "delete_message_atomic": "message",
    "delete_thread_atomic": "thread_id conversation_id deleted data:thread",
    "edit_message_atomic": "message",
    "get_assistant_thread": "thread_id conversation_id data:thread",
    "get_conversation": "conversation",
    "get_message_status": "message_id",
    "get_run": "run_id conversation_id message data:run",
    "get_session": "session_id data:session",
    "get_thread": "conversation_id thread",
    "get_user": "user",
    "link_contact_atomic": "contact conversation_id merged",
    "list_assistant_messages": "data:messages messages last_seq has_more",
    "list_assistant_threads": "data:threads has_more first_id last_id",
    "list_changes": "changes last_seq has_more reset",
    "list_conversations": "conversations has_more next_before",
    "list_members": "members has_more",
    "list_messages": "messages last_seq has_more",
    "list_runs": "data:runs runs has_more",
    "list_sessions": "data:sessions sessions has_more next_before",
    "list_thread_items": "data:items has_more first_id last_id",
    "list_thread_messages": "conversation_id messages last_seq has_more",
    "list_threads": "threads has_more next_before",
    "mark_delivered_atomic": "delivered_seq",
    "mark_read_atomic": "read_seq unread_count",
    "mark_thread_read_atomic": "conversation_id read_seq unread_count",
    "open_thread_atomic": "conversation_id thread",
    "remove_member_atomic": "message affected_count",
    "remove_reaction_atomic": "message",
    "reopen_conversation_atomic": "conversation",
    "search_messages": "messages",
    "send_message_atomic": "message",
    "update_conversation_atomic": "conversation",
    "upsert_user_atomic": "user_id user created",
}
RESULTS: Mapping[str, Schema] = {
    "affected_count": NUMBER,
    "changes": {"type": "array", "items": {"type": "object"}},
    "client_secret": TEXT,
    "contact": _ref("Contact"),
    "conversation": _ref("Conversation"),
    "conversation_id": UUID,
    "conversations": _list("Conversation"),
    "created": {"type": "boolean"},
    "data:items": {"type": "array", "items": {"type": "object"}},
    "data:messages": _list("Message"),
    "data:run": _ref("Run"),
    "data:runs": _list("Run"),
    "data:session": _ref("Session"),
    "data:sessions": _list("Session"),
    "data:thread": _ref("AssistantThread"),
    "data:threads": _list("AssistantThread"),
    "deleted": {"const": True},
    "delivered_seq": NUMBER,
    "first_id": _nullable(TEXT),
    "has_more": {"type": "boolean"},
    "help_request": {"type": "object"},
    "help_request_id": UUID,
    "last_id": _nullable(TEXT),
    "last_seq": NUMBER,
    "members": {"type": "array", "items": {"type": "object"}},
    "merged": {"type": "boolean"},
    "message": _nullable(_ref("Message")),
    "message_id": UUID,
    "messages": _list("Message"),
    "next_before": _nullable(TEXT),
    "read_seq": NUMBER,
    "reset": {"type": "boolean"},
    "run_id": UUID,
    "runs": _list("Run"),
    "session_id": UUID,
    "sessions": _list("Session"),
    "thread": _ref("Thread"),
    "thread_id": UUID,
    "threads": _list("Thread"),
    "unread_count": NUMBER,
    "user": _ref("User"),
    "user_id": UUID,
}


# What EventSource, which can send no header of its own, needs.
FROM_A_BROWSER: Sequence[Schema] = (
    {
        "name": "access_token",
        "in": "query",
        "description": "The token, for EventSource, which can send no header of its own.",
        "schema": TEXT,
    },
    {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The last `id` seen, sent by EventSource itself.",
        "schema": TEXT,
    },
)


class OpenApi:
    """`/openapi.json`, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._made_for: Catalogue | None = None
        self._document = b""

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer one request."""
        exchange = exchange_of(scope)
        exchange.route = PATH
        if exchange.method not in ("GET", "HEAD"):
            await answer_other_method(exchange, pages.ALLOW)
            return
        catalogue = self._database.catalogue
        if self._made_for is not catalogue:
            codes = await self._database.error_sources()
            self._document = orjson.dumps(document(catalogue, codes))
            self._made_for = catalogue
        await exchange.answer(200, self._document)


def document(catalogue: Catalogue, codes: Codes) -> Schema:
    """Make the whole document."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        function = catalogue.functions.get(operation.function)
        if function is not None:
            methods = paths.setdefault(operation.path, {})
            methods[operation.method.lower()] = _route(operation, function, catalogue, codes)
    paths.update(_sockets(catalogue))
    paths.update(_webhooks(catalogue))
    for function in catalogue.functions.values():
        paths[f"/rpc/{function.name}"] = _rpc(function, catalogue, codes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Parley", "version": version("parley"), "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "schemas": SCHEMAS,
        },
        "x-error-codes": [
            {
                "code": one.code,
                "status": one.http_status,
                "retryable": one.retryable,
                "meaning": one.meaning,
            }
            for one in sorted(
                catalogue.error_codes.values(), key=lambda one: (one.http_status, one.code)
            )
        ],
    }


def _route(operation: Operation, function: Function, catalogue: Catalogue, codes: Codes) -> Schema:
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": function.comment,
        "tags": [operation.path.split("/")[2 if operation.path.startswith("/v1") else 3]],
        "parameters": [
            *(_parameter("path", function, f, a) for f, a in operation.path_fields.items()),
            *(_parameter("query", function, f, a) for f, a in operation.query_fields.items()),
            *(FROM_A_BROWSER if operation.stream and operation.method == "GET" else ()),
            ACTOR,
        ],
        "responses": {
            **_successes(operation),
            **_refusals(
                [
                    *codes.get(function.name, ()),
                    *(WITH_BODY if operation.body else ()),
                    *(("rate_limited",) if operation.stream else ()),  # too many of them open
                ],
                catalogue,
            ),
        },
        "x-function": function.name,
        "x-service": operation.service,
    }
    if operation.body:
        fields = operation.body_fields
        known = function.arguments
        described["requestBody"] = _body(
            {field: known[argument] for field, argument in fields.items()}
        )
    if operation.stream:
        _describe_stream(described)
    return described


def _describe_stream(described: dict[str, Any]) -> None:
    """Add what an answer that is a stream is like, and how to ask for one."""
    stream: dict[str, Any] = {"description": RUN_STREAM, "content": {"text/event-stream": {}}}
    if "requestBody" not in described:
        described["responses"]["200"] = stream
        return
    content = described["requestBody"]["content"]["application/json"]
    content["schema"]["properties"]["stream"] = {"type": ["boolean", "null"]}
    plain = described["responses"]["200"]
    described["responses"]["200"] = {
        "description": f"{plain['description']} With `stream`: {RUN_STREAM}",
        "content": {**plain["content"], **stream["content"]},
    }


def _sockets(catalogue: Catalogue) -> Schema:
    """Describe the two paths that stay open, as far as OpenAPI can."""
    text: Schema = {"type": "string"}
    stream: Schema = {
        "operationId": "get_v1_events",
        "summary": "What happens in the caller's conversations, as server-sent events.",
        "description": SOCKETS,
        "tags": ["sockets"],
        "parameters": [
            {
                "name": "cursors",
                "in": "query",
                "description": "Where to go on: `id:seq,id:seq` or a JSON object.",
                "schema": text,
                "example": f"{EXAMPLE_ID}:7",
            },
            *FROM_A_BROWSER,
        ],
        "responses": {
            "200": {"description": "The stream.", "content": {"text/event-stream": {}}},
            **_refusals(["rate_limited"], catalogue),
        },
        "x-service": False,
    }
    socket: Schema = {
        "operationId": "get_v1_ws",
        "summary": "The same as a WebSocket.",
        "description": SOCKETS,
        "tags": ["sockets"],
        "security": [],
        "responses": {
            "101": {"description": "Send `hello` within ten seconds."},
            "403": {"description": "The page's origin is neither this server's nor allowed."},
            "426": _response("This was no WebSocket handshake.", _ref("Refusal")),
        },
        "x-service": False,
    }
    return {"/v1/events": {"get": stream}, "/v1/ws": {"get": socket}}


def _webhooks(catalogue: Catalogue) -> Schema:
    """Describe where outside networks bring what happened; only they can sign it."""
    taken = _object({"success": {"const": True}, "events": NUMBER, "duplicates": NUMBER})
    answers = {
        "200": _response("Stored and taken in; `duplicate`: it had been before.", taken),
        **_refusals(WITH_BODY, catalogue, WEBHOOK_CODES),
    }

    def post(name: str, header: str, body: str) -> Schema:
        return {
            "operationId": f"post_webhooks_{name}",
            "summary": f"What {name} tells of messages and statuses.",
            "tags": ["webhooks"],
            "security": [],
            "parameters": [_given("header", header, "The provider's signature.")],
            "requestBody": {"required": True, "content": {body: {"schema": {"type": "object"}}}},
            "responses": answers,
            "x-service": False,
        }

    verification: Schema = {
        "operationId": "get_webhooks_whatsapp",
        "summary": "Confirms this address to WhatsApp, when it is entered there.",
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            _given("query", "hub.mode", "`subscribe`."),
            _given("query", "hub.verify_token", "`PARLEY_WHATSAPP_VERIFY_TOKEN`."),
            _given("query", "hub.challenge", "What to answer."),
        ],
        "responses": {
            "200": {"description": "The challenge.", "content": {"text/plain": {"schema": TEXT}}},
            **_refusals((), catalogue, WEBHOOK_CODES),
        },
        "x-service": False,
    }
    whatsapp = post("whatsapp", "X-Hub-Signature-256", "application/json")
    twilio = post("twilio", "X-Twilio-Signature", "application/x-www-form-urlencoded")
    return {
        "/webhooks/whatsapp": {"get": verification, "post": whatsapp},
        "/webhooks/twilio": {"post": twilio},
    }


def _given(place: str, name: str, description: str) -> Schema:
    return {
        "name": name,
        "in": place,
        "required": True,
        "description": description,
        "schema": TEXT,
    }


def _operation_id(operation: Operation) -> str:
    words = re.findall(r"\w+", operation.path)
    return "_".join([operation.method.lower(), *words])


def _rpc(function: Function, catalogue: Catalogue, codes: Codes) -> Schema:
    refusals = _refusals([*codes.get(function.name, ()), *WITH_BODY, "not_found"], catalogue)
    responses: dict[str, Any] = {"200": _response("The function's result."), **refusals}
    if function.returns == "void":
        responses["204"] = {"description": "Done; there is no result."}
    if function.writes:
        responses["201"] = _response("The function's result, when something was created.")
    shared = {
        "summary": function.comment,
        "tags": ["rpc"],
        "responses": responses,
        "x-function": function.name,
        "x-service": not function.open_to_users,
    }
    post = {
        **shared,
        "operationId": f"rpc_{function.name}",
        "parameters": [ACTOR],
        "requestBody": _body(dict(function.arguments)),
    }
    if function.writes:
        return {"post": post}
    names = function.arguments
    get = {
        **shared,
        "operationId": f"rpc_get_{function.name}",
        "parameters": [*(_parameter("query", function, name, name) for name in names), ACTOR],
    }
    return {"get": get, "post": post}


ACTOR: Schema = {
    "name": "X-Actor-Id",
    "in": "header",
    "required": False,
    "description": "Whom a service token acts for.",
    "schema": UUID,
}


def _parameter(place: str, function: Function, field: str, argument: str) -> Schema:
    known = function.arguments[argument]
    return {
        "name": field,
        "in": place,
        "required": place == "path" or known.required,
        "schema": _type(known),
        "example": _example(known),
    }


def _body(fields: Mapping[str, Argument]) -> Schema:
    required = [field for field, argument in fields.items() if argument.required]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            field: _type(argument) if argument.required else _optional(argument)
            for field, argument in fields.items()
        },
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    example = {field: _example(argument) for field, argument in fields.items()}
    return {
        "required": bool(required),
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _type(argument: Argument) -> Schema:
    return TYPES.get(argument.type, {})


def _optional(argument: Argument) -> Schema:
    schema = _type(argument)
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else schema


def _example(argument: Argument) -> Any:
    if argument.type == "uuid":
        return EXAMPLE_ID
    if argument.type == "uuid[]":
        return [EXAMPLE_ID]
    fallback: Mapping[str, Any] = {
        "boolean": True,
        "integer": 1,
        "bigint": 1,
        "jsonb": {},
        "timestamp with time zone": "2026-01-31T12:00:00Z",
    }
    return EXAMPLES.get(argument.name, fallback.get(argument.type, "text"))


def _successes(operation: Operation) -> Schema:
    names = RETURNS.get(operation.function, "").split()
    results = {name.partition(":")[0]: RESULTS[name] for name in names}
    schema = _object({"success": {"const": True}, **results}, ["success"])
    if operation.status == 201:
        return {
            "201": _response("Created.", schema),
            "200": _response("It was there already; this is the first result.", schema),
        }
    return {"200": _response("Done.", schema)}


def _refusals(
    found: Sequence[str], catalogue: Catalogue, always: Sequence[str] = EVERYWHERE
) -> Schema:
    known = catalogue.error_codes
    by_status: dict[str, list[str]] = {}
    for code in sorted({*found, *always} & known.keys()):
        by_status.setdefault(str(known[code].http_status), []).append(code)
    return {
        status: {
            **_response(
                "; ".join(f"`{code}`: {known[code].meaning}" for code in codes),
                {"allOf": [_ref("Refusal"), {"properties": {"error": {"enum": codes}}}]},
            ),
            "x-codes": codes,
        }
        for status, codes in sorted(by_status.items())
    }


def _response(description: str, schema: Schema | None = None) -> Schema:
    content = {"schema": schema if schema is not None else {}}
    return {"description": description, "content": {"application/json": content}}
