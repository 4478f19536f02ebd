"""The official client, unmodified, does not notice which of the two it talks to."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import postgrest
import pytest

from tests.postgrest.support import Server, World, token_of


class Caller:
    """The client of one person in a world of their own."""

    def __init__(self, server: Server, who: str, http: httpx.Client) -> None:
        self.world = World.create(server.dsn)
        headers = {"Authorization": f"Bearer {token_of(self.world, who)}"}
        http.headers.update(headers)
        url = server.prefix.removesuffix("/rpc")
        http.base_url = httpx.URL(url)
        self._client = postgrest.SyncPostgrestClient(
            url, schema="api", headers=headers, http_client=http
        )

    def call(self, function: str, **arguments: Any) -> Any:
        """Return what the client says, without what differs from world to world."""
        options = {name: arguments.pop(name) for name in ("get", "head") if name in arguments}
        try:
            response = self._client.rpc(function, self.world.fill(arguments), **options).execute()
        except postgrest.APIError as error:
            return self._told(error.json())
        return self._told(response.data)

    def _told(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.world.strip(value)
        if isinstance(value, list):
            return [self._told(one) for one in value]
        if isinstance(value, dict):
            return {name: self._told(one) for name, one in value.items()}
        return value


@pytest.fixture
def both(ours: Server, theirs: Server) -> Iterator[Callable[..., Any]]:
    """Yield a call made by both clients; what it returns is the same for both."""
    with httpx.Client(timeout=30) as one, httpx.Client(timeout=30) as other:
        callers = Caller(theirs, "ann", one), Caller(ours, "ann", other)

        def call(function: str, **arguments: Any) -> Any:
            they, we = (caller.call(function, **arguments) for caller in callers)
            assert we == they
            return we

        yield call


def test_client_sends_and_reads(both: Callable[..., Any]) -> None:
    sent = both("send_message_atomic", p_conversation_id="$group", p_content="from the client")
    assert sent["message"]["sender_id"] == "$ann"
    page = both("list_messages", p_conversation_id="$group", p_limit=2, get=True)
    assert page["messages"][-1]["content"] == "from the client"


def test_client_sends_arrays_and_documents(both: Callable[..., Any]) -> None:
    made = both(
        "create_conversation_atomic",
        p_kind="group",
        p_member_ids=["$bob", "$cleo"],
        p_metadata={"nested": {"list": [1, None]}},
    )
    assert made["conversation"]["member_count"] == 3
    batch = [{"p_conversation_id": "$direct", "p_content": str(number)} for number in range(3)]
    results = both("send_messages_atomic", p_messages=batch)["results"]
    assert [result["message"]["seq"] for result in results] == [1, 2, 3]


@pytest.mark.parametrize(
    ("function", "arguments", "code"),
    [
        ("send_message_atomic", {"p_conversation_id": "$group", "p_content": ""}, "PT400"),
        ("get_user", {"p_actor_id": "$bob"}, "PT403"),
        ("get_conversation", {"p_conversation_id": "$message", "get": True}, "PT404"),
        ("create_conversation_atomic", {"p_kind": "direct", "p_member_ids": ["$bob"]}, "PT409"),
    ],
)
def test_client_reads_refusals(
    both: Callable[..., Any], function: str, arguments: dict[str, Any], code: str
) -> None:
    assert both(function, **arguments)["code"] == code
