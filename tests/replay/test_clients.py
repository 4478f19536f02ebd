from collections.abc import Callable

import httpx
import jwt
import pytest

from thin_api.replay import clients
from thin_api.replay.clients import Client, RefusedError, ReplayError, Tokens
from thin_api.settings import Settings

SECRET = "a secret of more than thirty-two bytes"

Answer = httpx.Response | Exception


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "FIRST_WAIT", 0.0)
    monkeypatch.setattr(clients, "LONGEST_WAIT", 0.0)


@pytest.fixture
def server() -> Callable[..., tuple[Client, list[httpx.Request]]]:
    def make(*answers: Answer) -> tuple[Client, list[httpx.Request]]:
        requests: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            answer = answers[min(len(requests), len(answers)) - 1]
            if isinstance(answer, Exception):
                raise answer
            return answer

        http = httpx.AsyncClient(base_url="http://x", transport=httpx.MockTransport(handle))
        return Client(http), requests

    return make


Server = Callable[..., tuple[Client, list[httpx.Request]]]

GOOD = httpx.Response(201, json={"success": True, "message": {}})


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(503, headers={"Retry-After": "3"}, json={"success": False}),
        httpx.Response(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        httpx.Response(502, text="bad gateway"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("too slow"),
        httpx.RemoteProtocolError("closed"),
    ],
)
async def test_trouble_on_the_way_makes_the_same_request_again(
    server: Server, trouble: Answer
) -> None:
    client, requests = server(trouble, trouble, GOOD)
    body = await client.ask("POST", "/v1/users", "token", json={"user_id": "1"})
    assert body["success"]
    first, *again = [(r.method, r.url, r.headers["Authorization"], r.content) for r in requests]
    assert again == [first, first]


async def test_a_refusal_is_told_and_not_repeated(server: Server) -> None:
    refusal = {"success": False, "error": "not_a_member", "message": "no", "details": {"a": 1}}
    client, requests = server(httpx.Response(403, json=refusal))
    with pytest.raises(RefusedError, match="POST /x: 403 not_a_member: no") as caught:
        await client.ask("POST", "/x", "token")
    assert (caught.value.code, caught.value.details, len(requests)) == (
        "not_a_member",
        {"a": 1},
        1,
    )


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[1])]
)
async def test_what_is_no_answer_of_parley_is_refused(
    server: Server, answer: httpx.Response
) -> None:
    client, _ = server(answer)
    with pytest.raises(RefusedError):
        await client.ask("GET", "/x", "token")


async def test_a_server_that_stays_away_ends_the_replay(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PATIENCE", -1.0)
    client, _ = server(httpx.ConnectError("refused"))
    with pytest.raises(ReplayError, match="no answer"):
        await client.ask("GET", "/x", "token")


def test_tokens_carry_what_the_server_asks_for() -> None:
    settings = Settings(jwt_secret=SECRET, jwt_issuer="me", jwt_audience="you")
    tokens = Tokens(settings)
    claims = jwt.decode(tokens.of("1"), SECRET, ["HS256"], audience="you", issuer="me")
    assert claims["sub"] == "1"
    assert "role" not in claims
    service = jwt.decode(tokens.of_service(), SECRET, ["HS256"], audience="you")
    assert service["role"] == "service"
    assert "sub" not in service


def test_without_a_secret_there_are_no_tokens() -> None:
    with pytest.raises(ReplayError, match="PARLEY_JWT_SECRET"):
        Tokens(Settings(jwks_url="https://issuer.example/keys"))
