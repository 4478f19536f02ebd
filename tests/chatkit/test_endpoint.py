"""POST /chatkit: who may, what it refuses, how it ends."""

import contextlib
import uuid

import httpx
import pytest

from tests.chatkit.support import PATH, Widget, at_widget, text_of, told, typed
from tests.http.support import check_refusal, serving, settings_for, token
from tests.rpc.assistant import runs
from tests.support import Json, new_user, succeed, violations, wait_for
from thin_api import sse


def new_session(widget: Widget, **more: object) -> Json:
    """Make a session of the widget's user."""
    return succeed(widget.db, "create_session_atomic", actor_id=widget.user, **more)


def check(response: httpx.Response, status: int, error: str) -> Json:
    """Check a refusal; its details."""
    details: Json = check_refusal(response, status, error)
    return details


def test_a_responder_answers(fresh_database: str) -> None:
    with serving(settings_for(fresh_database)) as site, at_widget(site) as widget:
        events, thread_id = widget.begin("Hello")
        answer = list(events)[-1]["item"]
        assert answer["type"] == "assistant_message"
        assert widget.said(thread_id) == [
            ("user_message", "Hello"),
            ("assistant_message", text_of(answer)),
        ]
        assert violations(widget.db) == []


def test_a_session_speaks_for_its_user(widget: Widget) -> None:
    session = new_session(widget)
    events, thread_id = widget.with_bearer(session["client_secret"]).begin()
    run = widget.answer(thread_id)
    assert told(events)[-1] == "thread.item.done"
    assert run["session_id"] == session["session_id"]
    assert [thread["id"] for thread in widget.ask("threads.list")["data"]] == [thread_id]


@pytest.mark.parametrize("ended", ["cancelled", "expired", "unknown", "garbled"])
def test_a_session_that_is_over_speaks_for_nobody(widget: Widget, ended: str) -> None:
    session = new_session(widget)
    secret = session["client_secret"]
    if ended == "cancelled":
        given = {"session_id": session["session_id"], "actor_id": widget.user}
        succeed(widget.db, "cancel_session_atomic", **given)
    elif ended == "expired":
        widget.operator.execute(
            "update chat.sessions set expires_at = created_at + interval '1 microsecond'"
            " where session_id = %s",
            [session["session_id"]],
        )
    else:
        secret = f"ck_{uuid.uuid4().hex}_{'0' * 64}" if ended == "unknown" else "ck_'"
    response = widget.with_bearer(secret).post("threads.list")
    check(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_who_is_not_proven_is_refused(widget: Widget) -> None:
    check(widget.with_bearer("nobody").post("threads.list"), 401, "unauthenticated")
    check(
        widget.with_bearer(token(None, role="service")).post("threads.list"),
        400,
        "validation_error",
    )
    with widget.site.caller() as anybody:
        check(anybody.post(PATH, json={}), 401, "unauthenticated")


def test_a_service_speaks_for_whom_it_names(widget: Widget) -> None:
    events, thread_id = widget.begin()
    widget.answer(thread_id)
    assert told(events)
    with widget.site.service(widget.user) as service:
        page = service.post(PATH, json={"type": "threads.list", "params": {}}).json()
    assert [thread["id"] for thread in page["data"]] == [thread_id]


def test_other_methods_are_not_taken(widget: Widget) -> None:
    with widget.site.user(widget.user) as client:
        response = client.get(PATH)
        check(response, 405, "unsupported")
        assert response.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"", "body"),
        (b'{"type": "threads.dance"}', "body"),
        (b'{"type": "threads.create", "params": {}}', "params.input"),
        (b'{"type": "threads.get_by_id", "params": {"thread_id": 7}}', "params.thread_id"),
    ],
)
def test_what_is_no_request_of_chatkit_is_refused(widget: Widget, body: bytes, field: str) -> None:
    with widget.site.user(widget.user) as client:
        details = check(client.post(PATH, content=body), 400, "validation_error")
    assert details == {"field": field}


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("threads.get_by_id", {}),
        ("threads.update", {"title": "Mine now"}),
        ("threads.delete", {}),
        ("threads.add_user_message", {"input": typed("hello")}),
        ("threads.retry_after_item", {"item_id": "msg_1"}),
    ],
)
def test_somebody_elses_thread_is_not_there(widget: Widget, kind: str, params: Json) -> None:
    events, thread_id = widget.begin()
    widget.answer(thread_id)
    before = told(events) and widget.said(thread_id)
    stranger = widget.with_bearer(token(new_user(widget.db, "Eve")))
    check(stranger.post(kind, thread_id=thread_id, **params), 404, "not_found")
    check(stranger.post(kind, thread_id=str(uuid.uuid4()), **params), 404, "not_found")
    assert stranger.ask("items.list", thread_id=thread_id)["data"] == []
    assert widget.said(thread_id) == before


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [("nothing\0", 400, "validation_error"), ("x" * 16_001, 413, "too_large")],
)
def test_a_message_that_is_refused_begins_no_thread(
    widget: Widget, text: str, status: int, error: str
) -> None:
    check(widget.post("threads.create", input=typed(text)), status, error)
    assert widget.ask("threads.list")["data"] == []


def test_a_message_that_is_refused_leaves_its_thread_as_it_was(widget: Widget) -> None:
    events, thread_id = widget.begin()
    widget.answer(thread_id)
    before = told(events) and widget.said(thread_id)
    given = {"thread_id": thread_id, "input": typed("nothing\0")}
    check(widget.post("threads.add_user_message", **given), 400, "validation_error")
    check(widget.post("threads.update", thread_id=thread_id, title="\0"), 400, "validation_error")
    check(widget.post("threads.get_by_id", thread_id="\0"), 400, "validation_error")
    assert widget.said(thread_id) == before


def test_only_a_users_message_of_the_thread_is_tried_again(widget: Widget) -> None:
    events, thread_id = widget.begin()
    answer = widget.answer(thread_id)
    assert told(events)
    wrong = widget.post("threads.retry_after_item", thread_id=thread_id, item_id=answer["id"])
    check(wrong, 400, "validation_error")
    unknown = widget.post("threads.retry_after_item", thread_id=thread_id, item_id="msg_none")
    check(unknown, 404, "not_found")
    assert len(widget.items(thread_id)) == 2


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("attachments.create", {"name": "a.txt", "size": 1, "mime_type": "text/plain"}),
        ("attachments.delete", {"attachment_id": "atc_1"}),
        ("input.transcribe", {"audio_base64": "", "mime_type": "audio/ogg"}),
    ],
)
def test_what_this_server_does_not_do_is_said(widget: Widget, kind: str, params: Json) -> None:
    check(widget.post(kind, **params), 400, "unsupported")


def test_actions_are_refused(widget: Widget) -> None:
    events, thread_id = widget.begin()
    widget.answer(thread_id)
    assert told(events)
    given = {"thread_id": thread_id, "action": {"type": "buy", "payload": {}}}
    check(widget.post("threads.sync_custom_action", **given), 400, "unsupported")
    *_, error = widget.stream("threads.custom_action", **given)
    assert (error["type"], error["code"]) == ("error", "custom")


def test_threads_are_listed_renamed_and_deleted(widget: Widget) -> None:
    ids = []
    for question in ("one", "two", "three"):
        events, thread_id = widget.begin(question)
        widget.answer(thread_id)
        assert told(events)
        ids.append(thread_id)
    newest = widget.ask("threads.list", limit=2)
    assert [thread["id"] for thread in newest["data"]] == [ids[2], ids[1]]
    assert newest["has_more"] is True
    rest = widget.ask("threads.list", limit=2, after=newest["after"])
    assert ([thread["id"] for thread in rest["data"]], rest["has_more"]) == ([ids[0]], False)

    assert widget.ask("threads.update", thread_id=ids[0], title="First")["title"] == "First"
    with widget.site.user(widget.user) as client:
        path = f"/api/v1/chatkit/threads/{ids[0]}"
        assert client.get(path).json()["data"]["title"] == "First"
        widget.ask("threads.delete", thread_id=ids[0])
        assert client.get(path).status_code == 404
    check(widget.post("threads.get_by_id", thread_id=ids[0]), 404, "not_found")


def test_what_is_said_over_rest_is_shown_in_the_widget(widget: Widget) -> None:
    thread_id = runs.new_thread(widget.db, widget.user)
    runs.ask(widget.db, thread_id, widget.user, "by REST")
    run = widget.answer(thread_id)
    assert widget.said(thread_id) == [
        ("user_message", "by REST"),
        ("assistant_message", "Because."),
    ]
    assert widget.items(thread_id)[1]["id"] == run["id"]
    thread = widget.ask("threads.get_by_id", thread_id=thread_id)
    assert [item["type"] for item in thread["items"]["data"]] == [
        "user_message",
        "assistant_message",
    ]


def test_while_nothing_is_said_the_server_shows_that_it_is_there(
    widget: Widget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.05)
    events = widget.stream("threads.create", input=typed("why?"))
    assert ":" in events.blocks
    thread_id = widget.ask("threads.list")["data"][0]["id"]
    widget.answer(thread_id)
    *_, last = (block for block in events.blocks if block != ":")
    assert last.startswith('data: {"type":"thread.item.done"')


def test_a_user_has_so_many_streams_and_no_more(fresh_database: str) -> None:
    limited = settings_for(fresh_database, runs_at_once=0, sockets_per_user=1)
    with serving(limited) as site, at_widget(site) as widget:
        events, thread_id = widget.begin()
        check(widget.post("threads.create", input=typed("and?")), 429, "rate_limited")
        widget.answer(thread_id)
        assert told(events)[-1] == "thread.item.done"
        assert [thread["id"] for thread in widget.ask("threads.list")["data"]] == [thread_id]
        wait_for(lambda: widget.post("threads.create", input=typed("\0")).status_code == 400)


def test_when_the_server_stops_the_answer_goes_on_elsewhere(fresh_database: str) -> None:
    with contextlib.ExitStack() as stack:
        stopping = contextlib.ExitStack()
        site = stopping.enter_context(serving(settings_for(fresh_database, runs_at_once=0)))
        widget = stack.enter_context(at_widget(site))
        events, thread_id = widget.begin()
        run = widget.work(thread_id)
        runs.say(widget.db, run, "Beca")
        events.next("thread.item.added")
        stopping.close()
        error = list(events)[-1]
        assert (error["type"], error["allow_retry"]) == ("error", True)
        assert widget.run(run)["status"] == "in_progress"

        other = serving(settings_for(fresh_database, runs_at_once=0))
        widget.site = stack.enter_context(other)
        question = widget.items(thread_id)[0]["id"]
        again = widget.stream("threads.retry_after_item", thread_id=thread_id, item_id=question)
        again.next("stream_options")
        again.next("thread.item.added")
        runs.say(widget.db, run, "use")
        runs.complete(widget.db, run)
        assert text_of(list(again)[-1]["item"]) == "Because"
        assert violations(widget.db) == []
