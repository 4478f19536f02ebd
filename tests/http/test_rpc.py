"""Functions by name as PostgREST offers them; the official client is one of the callers."""

from collections.abc import Iterator
from typing import Any

import httpx
import postgrest
import pytest

from tests.http.support import (
    JSON,
    People,
    Site,
    check_refusal,
    new_id,
    serving,
    settings_for,
    token,
)
from tests.support import Connection, connect


@pytest.fixture
def client(site: Site, people: People) -> Iterator[postgrest.SyncPostgrestClient]:
    """Yield the official client, with a user's token and the usual key."""
    headers = {"Authorization": f"Bearer {token(people.ada)}", "apikey": "sb_publishable_x"}
    with httpx.Client(base_url=f"{site.url}/rest/v1", headers=headers) as http:
        yield postgrest.SyncPostgrestClient(
            f"{site.url}/rest/v1", headers=headers, http_client=http
        )


def test_official_client_sends_reads_and_is_refused(
    client: postgrest.SyncPostgrestClient, people: People
) -> None:
    call = {"p_conversation_id": people.group, "p_content": "hi"}
    sent: Any = client.rpc("send_message_atomic", call).execute().data
    assert sent["message"]["sender_id"] == people.ada
    call = {"p_conversation_id": people.group}
    read: Any = client.rpc("list_messages", call, get=True).execute().data
    assert [message["content"] for message in read["messages"]] == ["hi"]
    with pytest.raises(postgrest.APIError) as refused:
        client.rpc("send_message_atomic", {"p_conversation_id": new_id()}).execute()
    assert (refused.value.code, refused.value.details) == ("PT400", {"field": "content"})
    with pytest.raises(postgrest.APIError) as absent:
        client.rpc("drop_everything", {}).execute()
    assert absent.value.code == "PGRST202"


def test_official_client_reads_an_error_code_without_a_body(
    client: postgrest.SyncPostgrestClient,
) -> None:
    with pytest.raises(postgrest.APIError) as refused:
        client.rpc("get_conversation", {"p_conversation_id": new_id()}, head=True).execute()
    assert refused.value.code == "PT404"


async def test_official_async_client_works_too(site: Site, people: People) -> None:
    headers = {"Authorization": f"Bearer {token(people.bo)}"}
    async with httpx.AsyncClient(base_url=f"{site.url}/rest/v1", headers=headers) as http:
        client = postgrest.AsyncPostgrestClient(
            f"{site.url}/rest/v1", headers=headers, http_client=http
        )
        call: Any = {"p_kind": "group", "p_title": "async", "p_member_ids": [people.ada]}
        made: Any = (await client.rpc("create_conversation_atomic", call).execute()).data
        page = {"p_limit": "5"}
        listed: Any = (await client.rpc("list_conversations", page, get=True).execute()).data
    found = {one["conversation_id"] for one in listed["conversations"]}
    assert made["conversation_id"] in found


def test_result_is_the_bare_value_under_both_prefixes(people: People) -> None:
    for prefix in ("/rpc", "/rest/v1/rpc"):
        response = people.as_ada.post(f"{prefix}/get_user", json={})
        assert response.status_code == 200
        assert response.json()["user"]["user_id"] == people.ada
        assert response.headers["content-type"] == "application/json; charset=utf-8"


def test_status_is_the_functions_own(people: People) -> None:
    call = {"p_conversation_id": people.group, "p_content": "x", "p_client_message_id": "1"}
    first = people.as_ada.post("/rpc/send_message_atomic", json=call)
    again = people.as_ada.post("/rpc/send_message_atomic", json=call)
    other = people.as_ada.post("/rpc/send_message_atomic", json={**call, "p_content": "y"})
    assert (first.status_code, again.status_code) == (201, 200)
    check_refusal(other, 409, "idempotency_conflict")
    assert other.headers["proxy-status"] == "PostgREST; error=PT409"


def test_route_and_function_give_the_same_answer(people: People) -> None:
    people.as_ada.post(people.messages, json={"content": "x"})
    route = people.as_bo.get(people.messages)
    function = people.as_bo.get("/rpc/list_messages", params={"p_conversation_id": people.group})
    assert route.content == function.content


def test_user_is_themself_whatever_they_say(people: People) -> None:
    body = {"p_conversation_id": people.group, "p_actor_id": people.bo, "p_content": "x"}
    response = people.as_ada.post("/rpc/send_message_atomic", json=body)
    check_refusal(response, 403, "permission_denied")
    own = people.as_ada.post("/rpc/send_message_atomic", json={**body, "p_actor_id": people.ada})
    assert own.status_code == 201


def test_service_names_the_actor_by_argument_or_by_header(site: Site, people: People) -> None:
    body = {"p_conversation_id": people.group, "p_content": "x"}
    named = people.as_service.post(
        "/rpc/send_message_atomic", json={**body, "p_actor_id": people.bo}
    )
    assert named.json()["message"]["sender_id"] == people.bo
    with site.service(people.ada) as client:
        headed = client.post("/rpc/send_message_atomic", json=body)
    assert headed.json()["message"]["sender_id"] == people.ada
    neither = people.as_service.post("/rpc/send_message_atomic", json=body)
    check_refusal(neither, 400, "validation_error")


def test_claims_of_one_call_are_gone_in_the_next(people: People) -> None:
    for _ in range(20):
        people.as_ada.post("/rpc/get_user", json={})
        response = people.as_service.post("/rpc/get_user", json={"p_actor_id": people.bo})
        assert response.json()["user"]["user_id"] == people.bo


def test_function_for_services_is_refused_to_users(people: People) -> None:
    for name in ("check_invariants", "maintain", "upsert_user_atomic"):
        response = people.as_ada.post(f"/rpc/{name}", json={})
        check_refusal(response, 403, "permission_denied")
        assert response.json()["code"] == "42501"


def test_set_comes_as_an_array(people: People) -> None:
    response = people.as_service.post("/rpc/check_invariants")
    assert (response.status_code, response.json()) == (200, [])
    assert people.as_service.get("/rpc/check_invariants").json() == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("drop_everything", {}),
        ("get_user", {"p_nobody": 1}),
        ("get_user", {"user_id": 1}),
        ("get_conversation", {}),
        ("pg_sleep", {}),
        ("chat.fail", {}),
        ('get_user"', {}),
        ("%00", {}),
    ],
)
def test_function_that_does_not_fit_is_not_found(
    people: People, name: str, arguments: dict[str, object]
) -> None:
    response = people.as_service.post(f"/rpc/{name}", json=arguments)
    check_refusal(response, 404, "not_found")
    assert response.json()["code"] == "PGRST202"
    assert response.headers["proxy-status"] == "PostgREST; error=PGRST202"


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b'"x"', b"null", b'{"p_user_id":NaN}'])
def test_unreadable_body_is_pgrst102(people: People, body: bytes) -> None:
    response = people.as_ada.post("/rpc/get_user", content=body, headers=JSON)
    check_refusal(response, 400, "validation_error")
    assert response.json()["code"] == "PGRST102"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"p_conversation_id": "x"}, "22P02"),
        ({"p_conversation_id": {"a": 1}}, "22P02"),
        ({"p_conversation_id": new_id(), "p_limit": "many"}, "22P02"),
        ({"p_conversation_id": new_id(), "p_limit": 1.5}, "22P02"),
        ({"p_conversation_id": new_id(), "p_limit": 99999999999}, "22003"),
        ({"p_conversation_id": "\x00"}, "22P05"),
    ],
)
def test_argument_of_a_wrong_type_has_the_databases_code(
    people: People, arguments: dict[str, object], code: str
) -> None:
    response = people.as_ada.post("/rpc/list_messages", json=arguments)
    check_refusal(response, 400, "validation_error")
    assert response.json()["code"] == code


def test_arguments_are_converted_as_postgrest_converts_them(people: People) -> None:
    body = {"p_conversation_id": people.group, "p_limit": "7", "p_before_seq": None}
    assert people.as_ada.post("/rpc/list_messages", json=body).status_code == 200
    made = people.as_ada.post(
        "/rpc/create_conversation_atomic",
        json={"p_kind": "group", "p_title": "x", "p_member_ids": f"{{{people.bo},{people.eve}}}"},
    )
    assert made.json()["conversation"]["member_count"] == 3


def test_get_reads_and_does_not_write(people: People) -> None:
    query = {"p_conversation_id": people.group, "p_limit": "3", "select": "*"}
    assert people.as_ada.get("/rpc/list_messages", params=query).status_code == 200
    response = people.as_ada.get(
        "/rpc/close_conversation_atomic", params={"p_conversation_id": "x"}
    )
    check_refusal(response, 405, "unsupported")
    assert response.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    "query", ["id=eq.1", "order=seq", "limit=1", "select=id", "or=(a.eq.1)", "seq=not.gt.5"]
)
def test_filters_are_refused(people: People, query: str) -> None:
    path = f"/rpc/list_messages?p_conversation_id={people.group}"
    response = people.as_ada.get(f"{path}&{query}")
    check_refusal(response, 400, "unsupported")
    assert response.json()["code"] == "PGRST127"
    body = {"p_conversation_id": people.group}
    check_refusal(people.as_ada.post(f"/rpc/list_messages?{query}", json=body), 400, "unsupported")


def test_json_argument_in_a_query_is_read_as_json(people: People) -> None:
    good = people.as_service.get("/rpc/must", params={"p_result": '{"success":true,"n":1}'})
    assert good.json() == {"success": True, "n": 1}
    bad = people.as_service.get("/rpc/must", params={"p_result": "{"})
    assert (bad.status_code, bad.json()["code"]) == (400, "22P02")


def test_raised_refusal_keeps_its_status_and_code(people: People) -> None:
    refusal = {
        "success": False,
        "error": "last_owner",
        "code": "PT409",
        "message": "no",
        "details": {"a": 1},
    }
    response = people.as_service.post("/rpc/must", json={"p_result": refusal})
    assert check_refusal(response, 409, "last_owner") == {"a": 1}
    assert (response.json()["code"], response.json()["message"]) == ("PT409", "no")
    ours = {**refusal, "error": "internal_error", "code": "PT500"}
    bug = people.as_service.post("/rpc/must", json={"p_result": ours})
    assert check_refusal(bug, 500, "internal_error").keys() == {"error_id"}


def test_headers_of_postgrest_clients_are_accepted(people: People) -> None:
    response = people.as_ada.post(
        "/rpc/get_user",
        json={},
        headers={
            "Prefer": "count=exact, params=single-object",
            "Content-Profile": "public",
            "Accept-Profile": "public",
            "Accept": "application/vnd.pgrst.object+json",
            "apikey": "x",
            "X-Retry-Count": "1",
        },
    )
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/vnd.pgrst.object+json")


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [("Content-Profile", 406, "PGRST106"), ("Accept", 415, "PGRST107")],
)
def test_other_profile_or_media_type_is_refused(
    people: People, header: str, status: int, code: str
) -> None:
    response = people.as_ada.post("/rpc/get_user", json={}, headers={header: "image/png"})
    check_refusal(response, status, "unsupported")
    assert response.json()["code"] == code


def test_caller_without_a_token_gets_postgrests_code(anybody: httpx.Client) -> None:
    response = anybody.post("/rpc/get_user", json={})
    check_refusal(response, 401, "unauthenticated")
    assert response.json()["code"] == "PGRST301"


def test_other_methods_are_405(people: People) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        check_refusal(people.as_ada.request(method, "/rpc/get_user"), 405, "unsupported")
    reads, writes = (
        people.as_ada.options(f"/rpc/{name}").headers["allow"]
        for name in ("get_user", "send_message_atomic")
    )
    assert (reads, writes) == ("GET, HEAD, OPTIONS, POST", "OPTIONS, POST")


class Own:
    """A site of the test's own."""

    def __init__(self, client: httpx.Client, connection: Connection) -> None:
        self.client = client
        self._connection = connection

    def make(self, signature: str, rest: str) -> None:
        """Make a function of schema api, in place of one of that name."""
        name = signature.partition("(")[0]
        self._connection.execute(f"drop function if exists api.{name}")
        self._connection.execute(f"create function api.{signature} {rest}")
        self._connection.execute(f"grant execute on function api.{name} to parley_api")


@pytest.fixture
def own(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    """Yield a site whose functions a test may add to."""
    monkeypatch.setattr("thin_api.db.CATALOGUE_AGE", 0.0)
    with (
        serving(settings_for(fresh_database)) as site,
        site.service() as client,
        connect(fresh_database, None) as connection,
    ):
        yield Own(client, connection)


def test_function_made_later_is_found(own: Own) -> None:
    check_refusal(own.client.post("/rpc/made"), 404, "not_found")
    own.make("made(p_n int)", "returns int language sql as 'select p_n + 1'")
    assert own.client.post("/rpc/made", json={"p_n": 1}).json() == 2
    own.make("made(p_n int)", "returns text language sql as $$select 'new'$$")
    assert own.client.post("/rpc/made", json={"p_n": 1}).json() == "new"
    own.make("made(p_other int default 5)", "returns int language sql as 'select p_other'")
    assert own.client.post("/rpc/made", json={"p_other": 1}).json() == 1
    assert own.client.post("/rpc/made").json() == 5


def test_sets_and_nothing_come_as_postgrest_sends_them(own: Own) -> None:
    own.make("numbers()", "returns setof int language sql as 'values (1), (2)'")
    own.make("silent()", "returns void language plpgsql as 'begin end'")
    own.make("unknown()", "returns jsonb language sql as 'select null::jsonb'")
    own.make("sum(p_n int[])", "returns int language sql as 'select p_n[1] + p_n[2]'")
    assert own.client.post("/rpc/numbers").json() == [1, 2]
    silent = own.client.post("/rpc/silent")
    assert (silent.status_code, silent.content) == (204, b"")
    assert own.client.post("/rpc/unknown").content == b"null"
    assert own.client.post("/rpc/sum", json={"p_n": [1, 2]}).json() == 3
    assert own.client.post("/rpc/sum", json={"p_n": "{1,2}"}).json() == 3


def test_bug_is_told_by_its_id_only(own: Own) -> None:
    own.make(
        "broken(p_text text)",
        "returns jsonb language plpgsql as $$begin raise exception 'secret %', p_text; end$$",
    )
    response = own.client.post("/rpc/broken", json={"p_text": "diary"})
    details = check_refusal(response, 500, "internal_error")
    assert details.keys() == {"error_id"}
    assert "secret" not in response.text
    assert "diary" not in response.text


def test_code_that_is_not_in_the_catalogue_is_a_bug(own: Own) -> None:
    own.make(
        "odd()",
        """returns jsonb language sql as $$select '{"success": false, "error": "odd"}'::jsonb$$""",
    )
    check_refusal(own.client.post("/rpc/odd"), 500, "internal_error")


def test_refusal_is_known_by_its_content_not_by_its_text(own: Own) -> None:
    own.make(
        "nested()",
        """returns jsonb language sql as
           $$select '{"success": true, "a": {"success": false, "duplicate": true}}'::jsonb$$""",
    )
    assert own.client.post("/rpc/nested").status_code == 200
