"""An answer as it is being given: streams of runs, left and found again."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.http.streaming import Reader, Talk, names, said, talking, without_worker
from tests.http.support import Link, Site, check_refusal, new_id, token
from tests.rpc.assistant import runs
from tests.support import connect, new_user, violations
from thin_api.auth import LEEWAY
from thin_api.run_stream import Following


@pytest.fixture(scope="module")
def quiet_site(template: str, empty_database: Callable[..., str]) -> Iterator[Site]:
    """Yield a server that answers nothing by itself."""
    with without_worker(empty_database(template)) as site:
        yield site


@pytest.fixture
def talk(quiet_site: Site) -> Iterator[Talk]:
    """Yield somebody with a thread."""
    with talking(quiet_site) as talk:
        yield talk
        with connect(quiet_site.dsn, None) as operator:
            operator.execute("update chat.runs set due_at = 'infinity' where finished_at is null")
            assert violations(operator) == []


def refusal_of(reader: Reader, status: int, error: str) -> Any:
    """Read a refusal that came instead of a stream."""
    reader.response.read()
    assert reader.response.headers["content-type"] == "application/json"
    return check_refusal(reader.response, status, error)


def test_a_question_is_answered_piece_by_piece(talk: Talk) -> None:
    reader = talk.ask_and_read("why?", client_message_id="q1")
    assert reader.response.status_code == 200
    assert reader.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reader.response.headers["cache-control"] == "no-store"
    created = reader.next()
    assert (created.event, created.id) == ("run_created", "0:0")
    assert created.data["success"] is True
    assert created.data["message"]["content"] == "why?"
    assert created.data["data"]["status"] == "queued"
    run = talk.work()
    assert created.data["run_id"] == created.data["data"]["id"] == run["id"]
    runs.say(talk.db, run, "Be")
    piece = reader.next()
    assert piece.event == "run_delta"
    assert piece.id == "1:2"
    assert piece.data == {
        "type": "run_delta",
        "conversation_id": talk.thread,
        "run_id": run["id"],
        "attempt": 1,
        "offset": 0,
        "content": "Be",
    }
    runs.say(talk.db, run, "cause 🙂")
    more = reader.next()
    assert (more.id, more.data["offset"], more.data["content"]) == ("1:9", 2, "cause 🙂")
    runs.complete(talk.db, run)
    (end,) = reader.rest()
    assert (end.event, end.id) == ("run_completed", "1:9")
    assert end.data == talk.run(run["id"])
    assert end.data["data"]["status"] == "completed"
    assert end.data["message"]["content"] == end.data["data"]["content"] == "Because 🙂"
    talk.wait_until_left()


def test_an_answer_that_comes_at_once_is_one_piece(talk: Talk) -> None:
    run = talk.ask()
    runs.complete(talk.db, talk.work(), "Because.")
    told = talk.read(run["id"]).rest()
    assert names(told) == ["run_delta", "run_completed"]
    assert said(told) == "Because."


def test_a_reader_goes_on_where_it_was_cut_off(talk: Talk) -> None:
    reader = talk.ask_and_read()
    reader.next()
    run = talk.work()
    runs.say(talk.db, run, "Be")
    piece = reader.next()
    reader.close()
    talk.wait_until_left()
    runs.say(talk.db, run, "cau")
    assert piece.id is not None
    back = talk.read(run["id"], headers={"Last-Event-ID": piece.id})
    missed = back.next()
    assert (missed.data["offset"], missed.data["content"]) == (2, "cau")
    runs.complete(talk.db, run, "Because")
    told = [missed, *back.rest()]
    assert names(told) == ["run_delta", "run_delta", "run_completed"]
    assert said([piece, *told]) == "Because"
    assert told[-1].data["message"]["content"] == "Because"


def test_a_reader_goes_on_in_another_process_and_after_the_end(talk: Talk) -> None:
    run_id = talk.ask()["id"]
    run = talk.work()
    runs.say(talk.db, run, "Be")
    with without_worker(talk.site.dsn) as elsewhere:
        reader = talk.read(run_id, site=elsewhere, params={"attempt": 1, "after": 1})
        first = reader.next()
        assert (first.id, first.data["content"]) == ("1:2", "e")
        runs.complete(talk.db, run, "Because")
        assert said([first, *reader.rest()], have="B") == "Because"
    for place, rest in (("1:2", "cause"), ("1:7", ""), ("1:99", ""), ("0:0", "Because")):
        told = talk.read(run_id, headers={"Last-Event-ID": place}).rest()
        assert "".join(one.data["content"] for one in told[:-1]) == rest
        assert told[-1].data == talk.run(run_id)


def test_an_answer_that_starts_over_replaces_what_was_said(talk: Talk) -> None:
    reader = talk.ask_and_read()
    reader.next()
    run = talk.work()
    runs.say(talk.db, run, "I think that")
    told = [reader.next()]
    with connect(talk.site.dsn, None) as operator:
        runs.lose_worker(operator)
    again = talk.work()
    assert again["id"] == run["id"]
    runs.say(talk.db, again, "It is")
    told.append(reader.next())
    assert (told[1].id, told[1].data["attempt"], told[1].data["offset"]) == ("2:5", 2, 0)
    runs.complete(talk.db, again, "It is so.")
    told += reader.rest()
    assert said(told) == "It is so."
    late = talk.read(run["id"], headers={"Last-Event-ID": "1:12"}).rest()
    assert said(late, have="I think that") == "It is so."


@pytest.mark.parametrize("have", ["0:0", "1:4"])
def test_what_was_said_of_a_failed_answer_is_told_with_why(talk: Talk, have: str) -> None:
    run_id = talk.ask()["id"]
    run = talk.work()
    runs.say(talk.db, run, "I am ")
    reader = talk.read(run_id, headers={"Last-Event-ID": have})
    first = reader.next()
    runs.fail(talk.db, run, "broken")
    (end,) = reader.rest()
    assert said([first], have="I am"[: int(have[2:])]) == "I am "
    assert end.event == "run_failed"
    assert end.data["data"]["status"] == "failed"
    assert end.data["data"]["error"]["code"] == "broken"
    assert end.data["message"]["content"] == "I am "


def test_a_cancelled_answer_ends_for_its_readers(talk: Talk) -> None:
    reader = talk.ask_and_read()
    run_id = reader.next().data["run_id"]
    cancelled = talk.client.post(f"{talk.path}/{run_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["changed"]) == (200, True)
    (end,) = reader.rest()
    assert (end.event, end.id) == ("run_failed", "0:0")
    assert end.data["data"]["status"] == "cancelled"
    assert end.data["message"] is None


def test_a_reader_that_leaves_cancels_nothing(talk: Talk) -> None:
    reader = talk.ask_and_read()
    run_id = reader.next().data["run_id"]
    reader.close()
    talk.wait_until_left()
    assert talk.run(run_id)["data"]["status"] == "queued"
    runs.complete(talk.db, talk.work(), "Because.")
    assert talk.run(run_id)["data"]["status"] == "completed"


def test_several_readers_are_told_the_same(talk: Talk) -> None:
    run_id = talk.ask()["id"]
    readers = [talk.read(run_id) for _ in range(3)]
    run = talk.work()
    for word in ("Be", "cause ", "of that"):
        runs.say(talk.db, run, word)
    runs.complete(talk.db, run)
    for reader in readers:
        told = reader.rest()
        assert said(told) == "Because of that"
        assert told[-1].data == talk.run(run_id)


def test_a_question_asked_again_is_answered_from_the_beginning(talk: Talk) -> None:
    asked = {"content": "why?", "client_message_id": "once"}
    first = talk.client.post(talk.path, json=asked)
    runs.complete(talk.db, talk.work(), "Because.")
    again = talk.ask_and_read(**asked)
    created, *told = again.rest()
    assert created.data["duplicate"] is True
    assert created.data["run_id"] == first.json()["run_id"]
    assert said(told) == "Because."


def test_who_may_not_read_a_run_gets_a_refusal_and_no_stream(talk: Talk) -> None:
    run_id = talk.ask()["id"]
    stranger = token(new_user(talk.db, "Eve"))
    refusal_of(talk.read(run_id, by=stranger), 403, "not_a_member")
    refusal_of(talk.read(new_id()), 404, "not_found")
    refusal_of(talk.read(run_id, by=""), 401, "unauthenticated")
    refusal_of(talk.ask_and_read(by=stranger), 403, "not_a_member")
    details = refusal_of(talk.ask_and_read("more?"), 409, "run_in_progress")
    assert details == {"run_id": run_id}


@pytest.mark.parametrize("place", ["x", "1:", ":1", "-1:2", "1:2:3", "1:9876543210", "1:\u0662"])
def test_a_place_that_is_none_is_refused(talk: Talk, place: str) -> None:
    run_id = talk.ask()["id"]
    headers = {"Last-Event-ID": place.encode()}
    details = refusal_of(talk.read(run_id, headers=headers), 400, "validation_error")
    assert details == {"field": "Last-Event-ID"}


def test_fields_a_stream_does_not_have_are_refused(talk: Talk) -> None:
    run_id = talk.ask()["id"]
    for field, value in (("after", "x"), ("after", "-1"), ("attempt", "1.5"), ("stream", "1")):
        reader = talk.read(run_id, params={field: value})
        assert refusal_of(reader, 400, "validation_error") == {"field": field}
    runs.complete(talk.db, talk.work(), "Because.")
    for unreadable in ("yes", "true", 1):
        refused = talk.client.post(talk.path, json={"content": "why?", "stream": unreadable})
        assert check_refusal(refused, 400, "validation_error") == {"field": "stream"}
    for unwanted in (False, None):
        plain = talk.client.post(talk.path, json={"content": "why?", "stream": unwanted})
        assert (plain.status_code, plain.json()["data"]["status"]) == (201, "queued")
        runs.complete(talk.db, talk.work(), "Because.")


def test_a_token_in_the_query_counts_only_for_the_stream(talk: Talk) -> None:
    run_id = talk.ask()["id"]
    runs.complete(talk.db, talk.work(), "Because.")
    mine = {"access_token": token(talk.user)}
    assert said(talk.read(run_id, by="", params=mine).rest()) == "Because."
    refusal_of(talk.read(run_id, by="", params={"access_token": "x"}), 401, "unauthenticated")
    refused = talk.client.get(f"{talk.path}/{run_id}", params=mine)
    check_refusal(refused, 400, "validation_error")
    with talk.site.caller() as anybody:
        check_refusal(anybody.post(talk.path, params=mine, json={}), 401, "unauthenticated")


def test_ids_are_taken_in_capitals_too(talk: Talk) -> None:
    run_id = talk.ask()["id"]
    talk.thread = talk.thread.upper()
    reader = talk.read(run_id.upper())
    reader.next_comment()
    talk.thread = talk.thread.lower()
    runs.complete(talk.db, talk.work(), "Because.")
    assert said(reader.rest()) == "Because."


def test_the_head_of_a_stream_has_no_body_and_does_not_wait(talk: Talk) -> None:
    run_id = talk.ask()["id"]
    with talk.site.caller() as anybody:
        mine = {"access_token": token(talk.user)}
        head = anybody.head(f"{talk.path}/{run_id}/events", params=mine)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"].startswith("text/event-stream")
    check_refusal(talk.client.post(f"{talk.path}/{run_id}/events"), 405, "unsupported")


def test_a_stream_shows_that_it_lives(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thin_api.sse.HEARTBEAT", 0.02)
    reader = talk.read(talk.ask()["id"])
    for _ in range(3):
        reader.next_comment()


def test_a_stream_ends_with_its_token(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thin_api.sse.HEARTBEAT", 0.02)
    soon = int(time.time()) - LEEWAY + 2
    (end,) = talk.read(talk.ask()["id"], by=token(talk.user, exp=soon)).rest()
    assert (end.event, end.data["error"]) == ("error", "unauthenticated")
    assert time.time() >= soon + LEEWAY


def test_a_stream_ends_when_its_reader_is_deactivated(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = talk.read(talk.ask()["id"])
    reader.next_comment()
    monkeypatch.setattr("thin_api.sse.HEARTBEAT", 0.02)
    run = talk.work()
    runs.say(talk.db, run, "Be")
    reader.next()
    with talk.site.service() as service:
        answer = service.post("/rpc/deactivate_user_atomic", json={"p_user_id": talk.user})
        assert answer.is_success, answer.text
    *_, end = reader.rest()
    assert (end.event, end.data["error"]) == ("error", "permission_denied")


def test_a_bug_while_streaming_is_told_by_its_id_alone(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = talk.ask()["id"]

    async def break_down(_self: Following) -> None:
        raise RuntimeError("the secret of the code")

    monkeypatch.setattr(Following, "_look", break_down)
    with capture_logs() as logs:
        (end,) = talk.read(run_id).rest()
    assert (end.event, end.data["error"]) == ("error", "internal_error")
    assert "secret" not in str(end.data)
    (bug,) = [line for line in logs if line["event"] == "bug"]
    assert bug["error_id"] == end.data["details"]["error_id"]
    assert any("break_down" in line for line in bug["trace"])


def test_nobody_opens_more_streams_than_they_may(fresh_database: str) -> None:
    with (
        without_worker(fresh_database, sockets_per_user=2) as site,
        talking(site) as talk,
    ):
        run_id = talk.ask()["id"]
        readers = [talk.read(run_id) for _ in range(2)]
        for reader in readers:
            reader.next_comment()
        refusal_of(talk.read(run_id), 429, "rate_limited")
        runs.complete(talk.db, talk.work(), "Because.")
        assert [said(reader.rest()) for reader in readers] == ["Because."] * 2
        talk.wait_until_left()
        again = talk.ask()["id"]
        readers = [talk.read(again) for _ in range(2)]
        for reader in readers:
            reader.next_comment()
        runs.complete(talk.db, talk.work(), "Because.")


def test_a_question_nobody_could_stream_is_not_asked(fresh_database: str) -> None:
    with (
        without_worker(fresh_database, sockets_per_user=1) as site,
        talking(site) as talk,
    ):
        talk.read(talk.ask()["id"]).next_comment()
        with site.user(talk.user) as client:
            other = runs.new_thread(talk.db, talk.user)
            path = f"/api/v1/chatkit/threads/{other}/runs"
            refused = client.post(path, json={"content": "why?", "stream": True})
            check_refusal(refused, 429, "rate_limited")
            assert client.get(path).json()["data"] == []


def test_a_reader_that_takes_nothing_is_cut_off(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thin_api.sse.PATIENCE", 0.1)
    run_id = talk.ask()["id"]
    reader = talk.read(run_id)
    reader.next_comment()
    run = talk.work()
    with connect(talk.site.dsn, None) as operator:
        operator.execute("update chat.limits set answer_characters = 100000000")
    try:
        for _ in range(16):
            runs.say(talk.db, run, "x" * 1_000_000)
        talk.wait_until_left()
    finally:
        with connect(talk.site.dsn, None) as operator:
            operator.execute("update chat.limits set answer_characters = default")
    with pytest.raises(httpx.TransportError):
        reader.rest()
    assert talk.run(run_id)["data"]["status"] == "in_progress"


def test_who_hears_of_nothing_looks_by_itself(fresh_database: str, link: Link) -> None:
    with (
        without_worker(fresh_database, listen_url=link.dsn) as site,
        talking(site) as talk,
    ):
        reader = talk.read(talk.ask()["id"])
        reader.next_comment()
        link.cut()
        run = talk.work()
        runs.say(talk.db, run, "Be")
        assert reader.next().data["content"] == "Be"
        link.heal()
        runs.complete(talk.db, run, "Because")
        assert said(reader.rest(), have="Be") == "Because"


def test_a_stream_outlives_the_database(fresh_database: str, link: Link) -> None:
    with without_worker(link.dsn, pool_wait=0.1) as site, talking(site) as talk:
        db = talk.stack.enter_context(connect(fresh_database))
        reader = talk.read(talk.ask()["id"])
        reader.next_comment()
        talk.db = db
        link.cut()
        run = talk.work()
        runs.say(db, run, "Be")
        reader.next_comment()
        runs.say(db, run, "cause")
        link.heal()
        runs.complete(db, run)
        told = reader.rest()
        assert said(told) == "Because"
        assert told[-1].event == "run_completed"


def test_a_server_that_stops_lets_its_readers_go_on_elsewhere(talk: Talk) -> None:
    with contextlib.ExitStack() as stopping:
        site = stopping.enter_context(without_worker(talk.site.dsn))
        run_id = talk.ask()["id"]
        run = talk.work()
        runs.say(talk.db, run, "Be")
        reader = talk.read(run_id, site=site)
        first = reader.next()
        began = time.monotonic()
        stopping.close()
        assert reader.rest() == []
        assert time.monotonic() - began < 5
    runs.complete(talk.db, run, "Because")
    assert first.id is not None
    rest = talk.read(run_id, headers={"Last-Event-ID": first.id}).rest()
    assert said([first, *rest]) == "Because"
