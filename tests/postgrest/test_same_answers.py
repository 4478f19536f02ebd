"""The same calls, made to PostgREST and to us, have the same answers."""

import json
from typing import Any

import httpx
import pytest

from tests.postgrest.calls import CALLS, DIFFERENCES, JSON, PROTOCOL, Answer, Call
from tests.postgrest.support import Server, World
from tests.support import connect

KEYS = {"code", "message", "details", "hint"}
# Refusals for which there is no way yet, or that are among the known differences.
UNREACHABLE = {
    "unauthenticated",
    "rate_limited",
    "internal_error",
    "unavailable",
    "run_in_progress",
    "window_closed",
}


def answer(server: Server, world: World, call: Call) -> httpx.Response:
    """Make a call."""
    content = world.fill(call.text)
    if content is None and call.method == "POST":
        content = json.dumps(world.fill(call.body))
    headers = {**({"Content-Type": JSON} if content is not None else {}), **call.headers}
    with server.caller(world, call.who) as client:
        return client.request(
            call.method,
            f"/{call.function}",
            params=world.fill(call.query),
            content=content,
            headers=headers,
        )


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.function}: {call.what}")
def test_same_call_same_answer(ours: Server, theirs: Server, call: Call) -> None:
    answers = []
    for server in (theirs, ours):
        world = World.create(server.dsn)
        response = answer(server, world, call)
        kind = response.headers["content-type"]
        answers.append((response.status_code, kind, world.strip(response.text)))
    assert answers[1] == answers[0]

    status, _, text = answers[0]
    body: Any = json.loads(text)
    assert status == call.status, text
    if call.error is not None:
        assert (body["success"], body["error"]) == (False, call.error)
    elif isinstance(body, dict):
        assert body["success"] is True


@pytest.mark.parametrize(
    ("code", "call"), PROTOCOL, ids=[f"{call.function}: {call.what}" for _, call in PROTOCOL]
)
def test_same_mistake_same_status_and_code(
    ours: Server, theirs: Server, code: str, call: Call
) -> None:
    world = World.create(ours.dsn)
    for server in (theirs, ours):
        response = answer(server, world, call)
        body = response.json()
        seen = (server.name, response.status_code, body.get("code"))
        assert seen == (server.name, call.status, code), response.text
        assert body.keys() >= KEYS, response.text


@pytest.mark.parametrize(
    ("why", "they_say", "we_say", "call"),
    DIFFERENCES,
    ids=[f"{call.function}: {call.what}" for _, _, _, call in DIFFERENCES],
)
def test_known_difference_is_still_there(
    ours: Server, theirs: Server, why: str, they_say: Answer, we_say: Answer, call: Call
) -> None:
    world = World.create(ours.dsn)
    for server, expected in ((theirs, they_say), (ours, we_say)):
        response = answer(server, world, call)
        is_json = response.text and "json" in response.headers["content-type"]
        body = response.json() if is_json else {}
        seen = (response.status_code, body.get("code") if isinstance(body, dict) else None)
        assert seen == expected, f"{server.name} answers {response.text}; known was: {why}"


def test_every_refusal_is_among_the_calls(ours: Server) -> None:
    with connect(ours.dsn) as connection:
        known = {code for (code,) in connection.execute("select code from api.error_codes")}
    assert {call.error for call in CALLS if call.error} == known - UNREACHABLE
