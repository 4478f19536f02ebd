"""The assistant over HTTP: sessions, threads and runs, as clients of their own making call them."""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.http.support import (
    JSON,
    Link,
    People,
    Site,
    check_refusal,
    new_id,
    serving,
    settings_for,
)
from tests.support import Json, connect, new_tenant, new_user, wait_for

API = "/api/v1/chatkit"
SESSIONS = f"{API}/sessions"
THREADS = f"{API}/threads"
MISSING = "00000000-0000-4000-8000-00000000dead"


@contextlib.contextmanager
def ada_alone(dsn: str, **settings: Any) -> Iterator[httpx.Client]:
    """Run a server for one user, whose client this is."""
    with (
        serving(settings_for(dsn, **settings)) as site,
        connect(dsn) as db,
        site.user(new_user(db, "Ada")) as ada,
    ):
        yield ada


def create(client: httpx.Client, path: str, **body: Any) -> Json:
    """Create something; the body of the 201."""
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    created: Json = answer.json()
    assert created["success"] is True
    return created


def new_session(client: httpx.Client, **body: Any) -> str:
    """Create a session; its id."""
    session_id: str = create(client, SESSIONS, **body)["data"]["id"]
    return session_id


def new_thread(client: httpx.Client, **body: Any) -> str:
    """Create a thread; its id."""
    thread_id: str = create(client, THREADS, **body)["data"]["id"]
    return thread_id


def listed(client: httpx.Client, path: str, **query: Any) -> list[Json]:
    """Return what a list holds."""
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    held: list[Json] = answer.json()["data"]
    return held


def wait_for_end(client: httpx.Client, run: str) -> Json:
    """Wait until a run has ended; its body."""

    def ended() -> Json | None:
        body: Json = client.get(run).json()
        return body if body["data"]["finished_at"] else None

    body: Json = wait_for(ended, "the run to end")
    return body


def test_session_thread_run_and_answer_as_its_clients_ask_for_them(people: People) -> None:
    ada = people.as_ada
    session = create(ada, SESSIONS)["data"]
    assert session.keys() >= {"id", "user_id", "created_at"}
    assert session["user_id"] == people.ada
    assert [one["id"] for one in listed(ada, SESSIONS)] == [session["id"]]

    threads = f"{SESSIONS}/{session['id']}/threads"
    thread = create(ada, threads, title="Lunch", metadata={"colour": "green"})["data"]
    assert (thread["title"], thread["session_id"]) == ("Lunch", session["id"])
    assert [one["id"] for one in listed(ada, threads)] == [thread["id"]]

    runs = f"{threads}/{thread['id']}/runs"
    run = create(ada, runs, content="hi")
    assert run["data"]["status"] in ("queued", "in_progress", "completed")
    assert run["data"]["session_id"] == session["id"]
    answered = wait_for_end(ada, f"{runs}/{run['run_id']}")
    assert answered["data"]["status"] == "completed"

    messages = listed(ada, f"{threads}/{thread['id']}/messages")
    assert [(one["source"], one["content"]) for one in messages] == [
        ("person", "hi"),
        ("bot", answered["data"]["content"]),
    ]
    assert messages[1]["reply_to_id"] == messages[0]["id"] == run["message"]["id"]
    assert [one["id"] for one in listed(ada, runs)] == [run["run_id"]]


def test_a_session_needs_no_body(people: People) -> None:
    for answer in (people.as_ada.post(SESSIONS), people.as_ada.post(SESSIONS, content=b"{}")):
        assert (answer.status_code, answer.json()["data"]["user_id"]) == (201, people.ada)
        assert answer.headers["content-type"] == "application/json"


def test_a_session_is_told_to_both_kinds_of_clients_in_one_body(people: People) -> None:
    before = time.time()
    body = create(
        people.as_ada,
        SESSIONS,
        user=people.ada,
        workflow={"id": "wf_1"},
        expires_after={"anchor": "created_at", "seconds": 600},
        rate_limits={"max_requests_per_1_minute": 7},
    )
    assert body["id"] == body["session_id"] == body["data"]["id"]
    assert (body["object"], body["status"], body["user"]) == (
        "chatkit.session",
        "active",
        people.ada,
    )
    assert re.fullmatch(r"ck_[0-9a-f]{32}_[0-9a-f]{64}", body["client_secret"])
    assert before + 590 < body["expires_at"] < time.time() + 610
    assert body["workflow"]["id"] == "wf_1"
    assert body["max_requests_per_1_minute"] == 7
    told = people.as_ada.get(f"{SESSIONS}/{body['id']}").json()
    assert told["data"] == body["data"]
    assert "client_secret" not in told
    assert "client_secret" not in people.as_ada.get(SESSIONS).text


def test_what_is_asked_again_with_its_key_is_answered_with_what_is_there(people: People) -> None:
    ada = people.as_ada
    session = create(ada, SESSIONS, client_key="s1")
    again = ada.post(SESSIONS, json={"client_key": "s1"})
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert again.json()["data"] == session["data"]
    assert again.json()["client_secret"] != session["client_secret"]

    thread = create(ada, THREADS, client_key="t1", title="Lunch")["data"]
    again = ada.post(THREADS, json={"client_key": "t1", "title": "Lunch"})
    assert (again.status_code, again.json()["data"]) == (200, thread)

    asked = {"content": "hi", "client_message_id": "m1"}
    run = create(ada, f"{THREADS}/{thread['id']}/runs", **asked)
    again = ada.post(f"{THREADS}/{thread['id']}/runs", json=asked)
    assert (again.status_code, again.json()["run_id"]) == (200, run["run_id"])

    for path, body in (
        (SESSIONS, {"client_key": "s1", "workflow": {"id": "other"}}),
        (THREADS, {"client_key": "t1", "title": "Dinner"}),
        (f"{THREADS}/{thread['id']}/runs", {**asked, "content": "ho"}),
    ):
        check_refusal(ada.post(path, json=body), 409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", SESSIONS, {"colour": "green"}, "colour"),
        ("POST", SESSIONS, {"user": 7}, "user"),
        ("POST", SESSIONS, {"workflow": "wf"}, "workflow"),
        ("POST", SESSIONS, {"expires_after": {"anchor": "now", "seconds": 1}}, "expires_after"),
        ("POST", SESSIONS, {"expires_after": {"anchor": "created_at"}}, "expires_after"),
        ("POST", SESSIONS, {"rate_limits": {"max_requests_per_1_minute": 0}}, "rate_limits"),
        ("POST", f"{SESSIONS}/x/threads", {}, "session_id"),
        ("GET", f"{SESSIONS}/x", None, "session_id"),
        ("GET", f"{SESSIONS}?limit=0", None, "limit"),
        ("GET", f"{SESSIONS}?limit=many", None, "limit"),
        ("GET", f"{SESSIONS}?before=x", None, "before"),
        ("GET", f"{THREADS}?order=sideways", None, "order"),
        ("GET", f"{THREADS}?colour=green", None, "colour"),
        ("GET", f"{THREADS}/thr_1", None, "thread_id"),
        ("POST", THREADS, {"title": ["Lunch"]}, "title"),
        ("POST", THREADS, {"metadata": "green"}, "metadata"),
        ("POST", f"{THREADS}/x/runs", {"content": "hi"}, "thread_id"),
        ("GET", f"{THREADS}/{MISSING}/runs/x", None, "run_id"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_field(
    people: People, method: str, path: str, body: Json | None, field: str
) -> None:
    answer = people.as_ada.request(method, path, json=body)
    assert check_refusal(answer, 400, "validation_error") == {"field": field}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "content"),
        ({"content": ""}, "content"),
        ({"content": 7}, "content"),
        ({"content": "a\x00b"}, "content"),
        ({"content": "hi", "role": "user"}, "role"),
        ({"content": "hi", "metadata": []}, "metadata"),
        ({"content": "hi", "configuration": "fast"}, "configuration"),
        ({"content": "hi", "message_id": new_id()}, "message_id"),
    ],
)
def test_a_question_that_is_none_is_refused(people: People, body: Json, field: str) -> None:
    thread = new_thread(people.as_ada)
    answer = people.as_ada.post(f"{THREADS}/{thread}/runs", json=body)
    assert check_refusal(answer, 400, "validation_error") == {"field": field}
    assert listed(people.as_ada, f"{THREADS}/{thread}/messages") == []


def test_a_body_that_is_no_json_is_refused(people: People) -> None:
    for content in (b"{", b"[]", b'"x"', b"\xff"):
        answer = people.as_ada.post(SESSIONS, content=content, headers=JSON)
        assert check_refusal(answer, 400, "validation_error") == {"field": "body"}


def paths(session: str, thread: str, run: str) -> list[tuple[str, str, Json | None]]:
    """List everything that can be asked of a session, a thread and a run."""
    of_one: list[tuple[str, str, Json | None]] = [
        ("GET", f"{SESSIONS}/{session}", None),
        ("GET", f"{SESSIONS}/{session}/threads", None),
        ("POST", f"{SESSIONS}/{session}/threads", {}),
        ("POST", f"{SESSIONS}/{session}/cancel", None),
    ]
    for where in (f"{THREADS}/{thread}", f"{SESSIONS}/{session}/threads/{thread}"):
        of_one += [
            ("GET", f"{where}/messages", None),
            ("GET", f"{where}/runs", None),
            ("POST", f"{where}/runs", {"content": "hi"}),
            ("GET", f"{where}/runs/{run}", None),
            ("GET", f"{where}/runs/{run}/events", None),
            ("POST", f"{where}/runs/{run}/cancel", None),
        ]
    return [
        *of_one,
        ("GET", f"{THREADS}/{thread}", None),
        ("GET", f"{THREADS}/{thread}/items", None),
        ("DELETE", f"{THREADS}/{thread}", None),
    ]


def test_nothing_is_told_to_who_shows_no_token(people: People, anybody: httpx.Client) -> None:
    for method, path, body in [
        ("POST", SESSIONS, {}),
        ("GET", SESSIONS, None),
        ("POST", THREADS, {}),
        ("GET", THREADS, None),
        *paths(new_id(), new_id(), new_id()),
    ]:
        check_refusal(anybody.request(method, path, json=body), 401, "unauthenticated")


def test_what_there_is_not_is_not_found(people: People) -> None:
    ada = people.as_ada
    session, thread = new_session(ada), new_thread(ada)
    for method, path, body in [
        *paths(MISSING, MISSING, MISSING),
        *(one for one in paths(session, thread, MISSING) if MISSING in one[1]),
        *(one for one in paths(MISSING, thread, MISSING) if MISSING in one[1]),
    ]:
        check_refusal(ada.request(method, path, json=body), 404, "not_found")


def test_what_is_somebody_elses_is_refused(people: People, site: Site) -> None:
    ada = people.as_ada
    session, thread = new_session(ada), new_thread(ada)
    run = create(ada, f"{THREADS}/{thread}/runs", content="hi")["run_id"]
    wait_for_end(ada, f"{THREADS}/{thread}/runs/{run}")
    for method, path, body in paths(session, thread, run):
        answer = people.as_bo.request(method, path, json=body)
        is_thread = path.startswith(THREADS) or thread in path
        check_refusal(answer, *((403, "not_a_member") if is_thread else (404, "not_found")))
    with connect(site.dsn) as db:
        stranger = new_user(db, "Zoe", tenant_id=new_tenant(db))
    with site.user(stranger) as as_stranger:
        for method, path, body in paths(session, thread, run):
            check_refusal(as_stranger.request(method, path, json=body), 404, "not_found")
    refused = people.as_bo.post(SESSIONS, json={"user": people.ada})
    check_refusal(refused, 403, "permission_denied")
    refused = people.as_bo.get(THREADS, params={"user": people.ada})
    check_refusal(refused, 403, "permission_denied")
    assert len(listed(ada, f"{THREADS}/{thread}/messages")) == 2


def test_a_session_of_ones_own_is_no_key_to_a_thread_of_others(people: People) -> None:
    thread = new_thread(people.as_ada)
    session = new_session(people.as_bo)
    path = f"{SESSIONS}/{session}/threads/{thread}"
    asked = people.as_bo.post(f"{path}/runs", json={"content": "hi"})
    check_refusal(asked, 403, "not_a_member")
    asked = people.as_ada.post(f"{path}/runs", json={"content": "hi"})
    check_refusal(asked, 404, "not_found")


def test_nothing_begins_in_a_session_that_is_over(people: People) -> None:
    ada = people.as_ada
    session = new_session(ada)
    thread = create(ada, f"{SESSIONS}/{session}/threads")["thread_id"]
    for _ in range(2):
        cancelled = ada.post(f"{SESSIONS}/{session}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    check_refusal(ada.post(f"{SESSIONS}/{session}/threads", json={}), 403, "permission_denied")
    asked = ada.post(f"{SESSIONS}/{session}/threads/{thread}/runs", json={"content": "hi"})
    check_refusal(asked, 403, "permission_denied")
    assert listed(ada, f"{SESSIONS}/{session}/threads/{thread}/messages") == []
    create(ada, f"{THREADS}/{thread}/runs", content="the thread outlives it")


def test_a_closed_thread_takes_no_question(people: People) -> None:
    ada = people.as_ada
    thread = new_thread(ada)
    assert ada.post(f"/v1/conversations/{thread}/close").is_success
    asked = ada.post(f"{THREADS}/{thread}/runs", json={"content": "hi"})
    check_refusal(asked, 409, "conversation_closed")
    assert ada.get(f"{THREADS}/{thread}").json()["status"]["type"] == "closed"
    assert ada.post(f"/v1/conversations/{thread}/reopen").is_success
    create(ada, f"{THREADS}/{thread}/runs", content="hi")


def test_what_is_too_long_is_refused(people: People) -> None:
    thread = new_thread(people.as_ada)
    asked = people.as_ada.post(f"{THREADS}/{thread}/runs", json={"content": "x" * 16_001})
    assert check_refusal(asked, 413, "too_large")["field"] == "content"
    titled = people.as_ada.post(THREADS, json={"title": "x" * 201})
    assert check_refusal(titled, 413, "too_large")["field"] == "title"


def test_a_user_has_only_so_many_sessions_and_a_session_so_many_runs(fresh_database: str) -> None:
    with connect(fresh_database, None) as operator:
        operator.execute("update chat.limits set sessions_per_user = 2")
    with ada_alone(fresh_database) as ada:
        first = new_session(ada, rate_limits={"max_requests_per_1_minute": 1})
        new_session(ada)
        assert check_refusal(ada.post(SESSIONS, json={}), 429, "rate_limited") == {"limit": 2}
        thread = create(ada, f"{SESSIONS}/{first}/threads")["thread_id"]
        run = create(ada, f"{THREADS}/{thread}/runs", content="one")["run_id"]
        wait_for_end(ada, f"{THREADS}/{thread}/runs/{run}")
        asked = ada.post(f"{THREADS}/{thread}/runs", json={"content": "two"})
        assert check_refusal(asked, 429, "rate_limited") == {"limit": 1}
        assert ada.post(f"{SESSIONS}/{first}/cancel").is_success
        new_session(ada)


def test_methods_there_are_not_are_refused(people: People) -> None:
    for method, path in (
        ("PUT", SESSIONS),
        ("DELETE", f"{SESSIONS}/{MISSING}"),
        ("POST", f"{THREADS}/{MISSING}"),
        ("POST", f"{THREADS}/{MISSING}/messages"),
        ("PATCH", f"{THREADS}/{MISSING}/runs"),
    ):
        check_refusal(people.as_ada.request(method, path, json={}), 405, "unsupported")


def test_a_service_that_names_nobody_sees_to_sessions_and_threads_of_all(people: People) -> None:
    service, ada = people.as_service, people.as_ada
    external = f"crm-{new_id()}"
    body = create(service, SESSIONS, user=external, workflow={"id": "wf_1"})
    assert body["user"] == external
    beta = {"OpenAI-Beta": "chatkit_beta=v1"}
    again = service.post(SESSIONS, json={"user": external}, headers=beta)
    assert again.json()["data"]["user_id"] == body["data"]["user_id"]
    assert service.get(f"{SESSIONS}/{body['id']}").json()["status"] == "active"
    assert service.post(f"{SESSIONS}/{body['id']}/cancel").json()["status"] == "cancelled"

    thread = new_thread(ada)
    run = create(ada, f"{THREADS}/{thread}/runs", content="hi")["run_id"]
    wait_for_end(ada, f"{THREADS}/{thread}/runs/{run}")
    assert thread in [one["id"] for one in listed(service, THREADS, limit=100)]
    assert [one["id"] for one in listed(service, THREADS, user=people.ada)] == [thread]
    assert service.get(f"{THREADS}/{thread}").json()["user"] == people.ada
    items = listed(service, f"{THREADS}/{thread}/items", order="asc")
    assert [one["type"] for one in items] == ["chatkit.user_message", "chatkit.assistant_message"]
    assert len(listed(service, f"{THREADS}/{thread}/messages")) == 2
    deleted = service.delete(f"{THREADS}/{thread}").json()
    assert (deleted["object"], deleted["deleted"]) == ("chatkit.thread.deleted", True)
    check_refusal(ada.get(f"{THREADS}/{thread}"), 404, "not_found")

    refused = service.post(THREADS, json={})
    assert check_refusal(refused, 400, "validation_error") == {"field": "X-Actor-Id"}


def test_a_service_acts_for_somebody(people: People) -> None:
    as_ada = {"X-Actor-Id": people.ada}
    session = people.as_service.post(SESSIONS, json={}, headers=as_ada).json()["data"]
    assert session["user_id"] == people.ada
    thread = people.as_service.post(THREADS, json={}, headers=as_ada).json()["thread_id"]
    run = people.as_service.post(
        f"{THREADS}/{thread}/runs", json={"content": "hi"}, headers=as_ada
    ).json()
    assert run["message"]["sender_id"] == people.ada


def test_lists_are_read_page_by_page(people: People) -> None:
    ada = people.as_ada
    sessions = [new_session(ada) for _ in range(3)][::-1]
    threads = [new_thread(ada) for _ in range(3)]
    page = ada.get(SESSIONS, params={"limit": 2}).json()
    assert [one["id"] for one in page["data"]] == sessions[:2]
    assert page["has_more"] is True
    rest = ada.get(SESSIONS, params={"limit": 2, "before": page["next_before"]}).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (sessions[2:], False)

    page = ada.get(THREADS, params={"limit": 2, "order": "asc"}).json()
    assert [one["id"] for one in page["data"]] == threads[:2]
    assert (page["has_more"], page["last_id"]) == (True, threads[1])
    rest = ada.get(THREADS, params={"order": "asc", "after": page["last_id"]}).json()
    assert [one["id"] for one in rest["data"]] == threads[2:]


def test_an_assistant_thread_is_a_conversation_among_others(people: People) -> None:
    ada = people.as_ada
    thread = new_thread(ada, title="Lunch")
    conversations = ada.get("/v1/conversations").json()["conversations"]
    (one,) = [one for one in conversations if one["conversation_id"] == thread]
    assert (one["kind"], one["title"], one["member_count"]) == ("assistant", "Lunch", 2)
    sent = ada.post(f"/v1/conversations/{thread}/messages", json={"content": "for myself"})
    assert sent.status_code == 201
    assert listed(ada, f"{THREADS}/{thread}/runs") == []
    added = ada.post(f"/v1/conversations/{thread}/members", json={"member_ids": [people.bo]})
    check_refusal(added, 400, "unsupported")


def test_what_breaks_is_told_by_an_id_that_finds_its_stack_in_the_log(fresh_database: str) -> None:
    with ada_alone(fresh_database) as ada, connect(fresh_database, None) as operator:
        operator.execute("alter table chat.sessions rename column created_at to began_at")
        with capture_logs() as logs:
            answer = ada.post(SESSIONS, json={"client_key": "a word nobody else writes"})
    details = check_refusal(answer, 500, "internal_error")
    assert details.keys() == {"error_id"}
    assert "began_at" not in answer.text
    assert "created_at" not in answer.text
    (bug,) = [line for line in logs if line["event"] == "bug"]
    assert bug["error_id"] == details["error_id"]
    assert bug["sqlstate"] == "42703"
    assert (bug["route"], bug["function"]) == (SESSIONS, "create_session_atomic")
    assert bug["request_id"] == answer.headers["x-request-id"]
    assert any("thin_api/endpoints.py" in line for line in bug["trace"])
    assert any("UndefinedColumnError" in line for line in bug["trace"])
    assert "a word nobody else writes" not in json.dumps(logs)


@pytest.mark.parametrize("marker", ["client_secret", '"chatkit.thread"', '"run_id"'])
def test_a_call_whose_answer_is_lost_is_sent_again_if_it_has_a_key(
    fresh_database: str, link: Link, marker: str
) -> None:
    with ada_alone(link.dsn, runs_at_once=0) as ada:
        thread = new_thread(ada)
        creations: dict[str, Callable[[], httpx.Response]] = {
            "client_secret": lambda: ada.post(SESSIONS, json={"client_key": "k"}),
            '"chatkit.thread"': lambda: ada.post(THREADS, json={"client_key": "k"}),
            '"run_id"': lambda: ada.post(
                f"{THREADS}/{thread}/runs", json={"content": "hi", "client_message_id": "k"}
            ),
        }
        link.lose_answer(marker.encode())
        answer = creations[marker]()
        assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
