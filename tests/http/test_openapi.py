"""The description says what the server does."""

from typing import Any

import pytest

from tests.http.support import Site
from tests.support import connect
from thin_api import openapi
from thin_api.arguments import CONVERTERS
from thin_api.routes import OPERATIONS
from thin_api.sockets import SOCKET_PATH, STREAM_PATH

WEBHOOKS = {
    ("get", "/webhooks/whatsapp"),
    ("post", "/webhooks/whatsapp"),
    ("post", "/webhooks/twilio"),
}


@pytest.fixture(scope="module")
def api(site: Site) -> Any:
    """Return the document."""
    with site.caller() as client:
        return client.get("/openapi.json").json()


def operations(api: Any) -> list[tuple[str, str, Any]]:
    """List method, path and description of everything."""
    return [
        (method, path, described)
        for path, methods in api["paths"].items()
        for method, described in methods.items()
    ]


def test_every_route_and_every_function_is_described(site: Site, api: Any) -> None:
    with connect(site.dsn) as connection:
        functions = connection.execute(
            """select proname, provolatile = 'v' from pg_proc
                where pronamespace = 'api'::regnamespace
                  and has_function_privilege(oid, 'execute')"""
        ).fetchall()
    routes = {(operation.method.lower(), operation.path) for operation in OPERATIONS}
    calls = {("post", f"/rpc/{name}") for name, _ in functions}
    calls |= {("get", f"/rpc/{name}") for name, writes in functions if not writes}
    assert {(method, path) for method, path, _ in operations(api)} == (
        routes | calls | WEBHOOKS | {("get", SOCKET_PATH), ("get", STREAM_PATH)}
    )


def test_every_argument_of_a_route_has_a_type_we_can_take(site: Site) -> None:
    with connect(site.dsn) as connection:
        rows = connection.execute(
            """select p.proname, a.name, format_type(t.type, null)
                 from pg_proc p,
                      unnest(p.proargnames) with ordinality a (name, n)
                 join unnest(p.proargtypes) with ordinality t (type, n) using (n)
                where p.pronamespace = 'api'::regnamespace"""
        ).fetchall()
    types = {(function, name): kind for function, name, kind in rows}
    for operation in OPERATIONS:
        fields = {**operation.path_fields, **operation.query_fields, **operation.body_fields}
        for name in (*fields.values(), *operation.actor_arguments):
            assert types[operation.function, name] in CONVERTERS, (operation.function, name)


def test_names_of_operations_are_unique(api: Any) -> None:
    names = [described["operationId"] for _, _, described in operations(api)]
    assert len(names) == len(set(names))


def test_everything_is_explained_and_has_its_error_codes(api: Any) -> None:
    for method, path, described in operations(api):
        assert described["summary"], (method, path)
        if path == SOCKET_PATH:
            assert {"101", "403", "426"} == described["responses"].keys()
            continue
        refused = "403" if (method, path) in WEBHOOKS else "401"
        assert {refused, "500", "503"} <= described["responses"].keys(), (method, path)
        assert {"200", "201"} & described["responses"].keys(), (method, path)
    send = api["paths"]["/v1/conversations/{conversation_id}/messages"]["post"]["responses"]
    assert {"idempotency_conflict", "conversation_closed"} <= set(send["409"]["x-codes"])
    assert {"blocked", "not_a_member"} <= set(send["403"]["x-codes"])
    assert {"200", "201", "413"} <= send.keys()


def test_streams_of_runs_are_described(api: Any) -> None:
    runs = "/api/v1/chatkit/threads/{thread_id}/runs"
    asked = api["paths"][runs]["post"]
    body = asked["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["stream"] == {"type": ["boolean", "null"]}
    assert "text/event-stream" in asked["responses"]["200"]["content"]
    assert "application/json" in asked["responses"]["201"]["content"]
    followed = api["paths"][f"{runs}/{{run_id}}/events"]["get"]
    assert followed["responses"]["200"]["content"].keys() == {"text/event-stream"}
    assert followed["responses"]["429"]["x-codes"] == ["rate_limited"]
    named = {one["name"] for one in followed["parameters"]}
    assert named >= {"attempt", "after", "access_token", "Last-Event-ID"}


def test_error_codes_are_the_catalogue(site: Site, api: Any) -> None:
    with connect(site.dsn) as connection:
        rows = connection.execute("select code, http_status from api.error_codes").fetchall()
    assert {(one["code"], one["status"]) for one in api["x-error-codes"]} == set(rows)


def test_references_lead_somewhere(api: Any) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return found + [one for child in value.values() for one in references(child)]
        if isinstance(value, list):
            return [one for child in value for one in references(child)]
        return []

    found = set(references(api))
    assert found
    assert found <= {f"#/components/schemas/{name}" for name in api["components"]["schemas"]}


def test_results_named_are_described() -> None:
    named = {name for names in openapi.RETURNS.values() for name in names.split()}
    assert named == openapi.RESULTS.keys()
    assert openapi.RETURNS.keys() <= {operation.function for operation in OPERATIONS}
