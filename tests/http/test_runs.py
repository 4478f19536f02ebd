"""What is asked is answered, once, whatever becomes of the responder, the database or us."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import httpx
import pytest

from tests import bots
from tests.bots import PUPPET, Talk, next_talk
from tests.fake_openai import FakeOpenAi, Refusal, Reply
from tests.http.support import Link, Site, serving, settings_for
from tests.rpc.assistant.runs import ask, new_thread, pieces, run_row
from tests.support import Connection, Json, connect, new_user, succeed, violations, wait_for
from thin_api import runs, worker
from thin_api.responders import ResponderError

OVER = ("completed", "failed", "cancelled", "expired")
SHORT = "900 milliseconds"  # a lease that is renewed while one watches
LONG_TEXT = "a secret between us"


@dataclass
class Asking:
    """Ann, her thread with the assistant, and how her questions fare."""

    service: Connection
    login: Connection

    @cached_property
    def ann(self) -> str:
        """Return who asks."""
        return new_user(self.service, "Ann", external_id="ann-1")

    @cached_property
    def thread(self) -> str:
        """Return where she asks."""
        return new_thread(self.service, self.ann)

    def ask(self, content: str = "why?", thread: str | None = None) -> str:
        """Ask something; the run's id."""
        run_id: str = ask(self.service, thread or self.thread, self.ann, content)["run_id"]
        return run_id

    def run(self, run_id: str) -> Json:
        """Return a run and its answer, as Ann sees them."""
        found = run_row(self.login, run_id)
        result = succeed(
            self.service,
            "get_run",
            conversation_id=found["conversation_id"],
            actor_id=self.ann,
            run_id=run_id,
        )
        return {**result["data"], "message": result["message"]}

    def until(self, run_id: str, *statuses: str) -> Json:
        """Wait until a run has come so far; the run."""
        wait_for(lambda: self.run(run_id)["status"] in (statuses or OVER), "the run to get there")
        return self.run(run_id)

    def until_said(self, run_id: str, content: str) -> None:
        """Wait until so much of an answer can be read."""
        wait_for(lambda: self.run(run_id)["content"] == content, f"{content!r} to be said")

    def limit(self, **limits: Any) -> None:
        """Change limits."""
        for name, value in limits.items():
            self.login.execute(f"update chat.limits set {name} = %s".encode(), [value])

    def answers(self) -> list[Any]:
        """Return every message of a bot there is: its words and its metadata."""
        return self.login.execute(
            "select content, metadata from chat.messages where source = 'bot' order by seq"
        ).fetchall()


@pytest.fixture
def asking(fresh_database: str) -> Iterator[Asking]:
    """Yield somebody who asks; what must hold is checked in the end."""
    with connect(fresh_database) as service, connect(fresh_database, None) as login:
        yield Asking(service, login)
        assert violations(service) == []


@pytest.fixture
def serve(fresh_database: str, asking: Asking) -> Iterator[Callable[..., Site]]:
    """Start a server whose answers a puppet gives, unless settings say otherwise."""
    with ExitStack() as stack:

        def start(**changes: Any) -> Site:
            given = {"responder": PUPPET, "shutdown_grace": 0.1, **changes}
            settings = settings_for(given.pop("dsn", fresh_database), **given)
            return stack.enter_context(serving(settings))

        yield start


def outcomes(site: Site) -> dict[str, int]:
    """Count a server's runs by how they ended for it, ever."""
    lines = httpx.get(f"{site.url}/metrics").text.splitlines()
    told = [line.split('"') for line in lines if line.startswith("parley_runs_total{")]
    return {parts[1]: int(float(parts[2].lstrip("} "))) for parts in told}


def test_a_question_is_answered_by_itself(serve: Callable[..., Site], asking: Asking) -> None:
    serve(responder="rules")
    run = asking.until(asking.ask("Hello, I am here."))
    assert (run["status"], run["attempt"], run["error"]) == ("completed", 1, None)
    assert run["message"]["content"] == "Hello Ann! What can I do for you?"
    assert run["message"]["reply_to_id"] == run["message_id"]
    assert asking.answers() == [(run["content"], {"run_id": run["id"]})]


def test_an_answer_can_be_read_while_it_is_given(
    serve: Callable[..., Site], asking: Asking
) -> None:
    serve()
    run_id = asking.ask()
    talk = next_talk(run_id)
    talk.say("Be", "cause")
    asking.until_said(run_id, "Because")
    talk.say(" it is ", "🙂")
    asking.until_said(run_id, "Because it is 🙂")
    assert asking.run(run_id)["status"] == "in_progress"
    talk.say(".")
    talk.end()
    run = asking.until(run_id)
    assert (run["status"], run["content"]) == ("completed", "Because it is 🙂.")
    assert pieces(asking.login, run_id) == []


def test_what_is_said_quickly_is_written_in_few_portions(
    serve: Callable[..., Site], asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PORTION", 0.5)
    serve()
    run_id = asking.ask()
    talk = next_talk(run_id)
    words = [f"{number} " for number in range(200)]
    talk.say(*words)
    asking.until_said(run_id, "".join(words))
    assert len(pieces(asking.login, run_id)) <= 3
    talk.end()
    asking.until(run_id, "completed")


def test_a_responder_knows_who_asks_and_what_was_said(
    serve: Callable[..., Site], asking: Asking
) -> None:
    serve()
    first = next_talk(asking.ask("one?"))
    first.say("One.")
    first.end()
    asking.until(first.request.run_id, "completed")
    configuration = {"tone": "dry"}
    asked = ask(asking.service, asking.thread, asking.ann, "two?", configuration=configuration)
    request = next_talk(asked["run_id"]).request
    assert [(one.role, one.content, one.source) for one in request.messages] == [
        ("user", "one?", "person"),
        ("assistant", "One.", "bot"),
        ("user", "two?", "person"),
    ]
    assert (request.question, request.message_id) == ("two?", asked["message"]["id"])
    assert (request.user.display_name, request.user.external_id) == ("Ann", "ann-1")
    assert (request.thread["id"], request.configuration) == (asking.thread, configuration)


def test_notes_of_the_responder_are_kept_with_the_answer(
    serve: Callable[..., Site], asking: Asking
) -> None:
    serve()
    talk = next_talk(asking.ask())
    talk.request.notes["finish_reason"] = "length"
    talk.say("Be")
    talk.end()
    run = asking.until(talk.request.run_id, "completed")
    assert run["message"]["metadata"] == {"finish_reason": "length", "run_id": run["id"]}


@pytest.mark.parametrize("notes", [{"x": {1, 2}}, {"x": "\0"}])
def test_notes_that_cannot_be_kept_are_a_bug_of_the_responder(
    serve: Callable[..., Site], asking: Asking, notes: Any
) -> None:
    serve()
    talk = next_talk(asking.ask())
    talk.request.notes.update(notes)
    talk.say("Because.")
    talk.end()
    run = asking.until(talk.request.run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "internal_error")
    assert run["message"]["content"] == "Because."


def test_what_cannot_be_kept_is_left_out(serve: Callable[..., Site], asking: Asking) -> None:
    serve()
    talk = next_talk(asking.ask())
    talk.say("", "a\0b", "\ud83d", "c")
    talk.end()
    assert asking.until(talk.request.run_id, "completed")["content"] == "abc"


def test_a_responder_that_says_nothing_has_failed(
    serve: Callable[..., Site], asking: Asking
) -> None:
    serve()
    talk = next_talk(asking.ask())
    talk.say(" ", "\n")
    talk.end()
    run = asking.until(talk.request.run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "empty_answer")
    assert asking.answers() == []


def partial_answer(run: Json, status: str) -> list[Any]:
    """What is there of an answer that was to be longer."""
    return [("Be", {"run_id": run["id"], "partial": True, "status": status})]


def test_what_was_said_before_a_failure_is_kept_and_marked(
    serve: Callable[..., Site], asking: Asking
) -> None:
    serve()
    talk = next_talk(asking.ask())
    talk.say("Be")
    talk.fail(ResponderError("cut_off", "it broke off"))
    run = asking.until(talk.request.run_id)
    assert (run["status"], run["error"]) == (
        "failed",
        {"code": "cut_off", "message": "it broke off"},
    )
    assert asking.answers() == partial_answer(run, "failed")


@pytest.mark.parametrize(
    "error",
    [KeyError(LONG_TEXT), SystemExit(LONG_TEXT), ResponderError(LONG_TEXT, None)],  # type: ignore[arg-type]
    ids=["an error", "an exit", "a code without words"],
)
def test_a_bug_of_a_responder_is_found_in_the_log_by_what_the_user_is_told(
    serve: Callable[..., Site],
    asking: Asking,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    serve()
    talk = next_talk(asking.ask())
    talk.say("Be")
    talk.fail(error)
    run = asking.until(talk.request.run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "internal_error")
    assert LONG_TEXT not in run["error"]["message"]
    assert asking.answers() == partial_answer(run, "failed")
    told = capsys.readouterr().out
    assert run["error"]["details"]["error_id"] in told
    assert LONG_TEXT not in told


def test_an_answer_that_takes_too_long_is_given_up(
    serve: Callable[..., Site], asking: Asking
) -> None:
    asking.limit(run_timeout="300 milliseconds")
    serve()
    talk = next_talk(asking.ask())
    talk.say("Be")
    run = asking.until(talk.request.run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "timeout")
    assert asking.answers() == partial_answer(run, "failed")
    wait_for(talk.over.is_set, "the responder to be hung up on")


def test_an_answer_that_becomes_too_long_is_broken_off(
    serve: Callable[..., Site], asking: Asking
) -> None:
    asking.limit(answer_characters=10)
    serve()
    talk = next_talk(asking.ask())
    talk.say("Be")
    asking.until_said(talk.request.run_id, "Be")
    talk.say("cause I said so")
    run = asking.until(talk.request.run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "too_large")
    assert asking.answers() == partial_answer(run, "failed")
    wait_for(talk.over.is_set, "the responder to be hung up on")


def test_an_answer_without_end_is_broken_off(
    serve: Callable[..., Site], asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MOST_HEARD", 10)
    serve()
    talk = next_talk(asking.ask())
    talk.say("Be")
    talk.say("cause I said so")
    run = asking.until(talk.request.run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "too_large")


def test_a_cancelled_answer_ends_where_it_was(serve: Callable[..., Site], asking: Asking) -> None:
    asking.limit(run_lease=SHORT)
    site = serve()
    before = outcomes(site).get("lost", 0)
    talk = next_talk(asking.ask())
    run_id = talk.request.run_id
    talk.say("Be")
    asking.until_said(run_id, "Be")
    about = {"conversation_id": asking.thread, "actor_id": asking.ann, "run_id": run_id}
    succeed(asking.service, "cancel_run_atomic", **about)
    # It says nothing more; that the answer is not wanted is learned all the same.
    wait_for(talk.over.is_set, "the responder to be hung up on")
    wait_for(lambda: outcomes(site).get("lost") == before + 1, "the worker to let go")
    assert asking.answers() == partial_answer(asking.run(run_id), "cancelled")


def test_a_thread_that_is_deleted_needs_no_answer(
    serve: Callable[..., Site], asking: Asking
) -> None:
    asking.limit(run_lease=SHORT)
    serve()
    talk = next_talk(asking.ask())
    talk.say("Be")
    about = {"conversation_id": asking.thread, "actor_id": asking.ann}
    succeed(asking.service, "delete_thread_atomic", **about)
    wait_for(talk.over.is_set, "the responder to be hung up on")


def test_a_silent_responder_keeps_its_run(serve: Callable[..., Site], asking: Asking) -> None:
    asking.limit(run_lease=SHORT)
    serve()
    talk = next_talk(asking.ask())
    run_id = talk.request.run_id

    def due() -> Any:
        return asking.login.execute(
            "select due_at > started_at + 3 * lease_for from chat.runs"
        ).fetchone()

    wait_for(lambda: due() == (True,), "the lease to be renewed again and again")
    talk.say("Because.")
    talk.end()
    run = asking.until(run_id)
    assert (run["status"], run["attempt"]) == ("completed", 1)


def test_so_many_are_answered_at_once_and_the_others_wait_their_turn(
    serve: Callable[..., Site], asking: Asking
) -> None:
    serve(runs_at_once=2)
    threads = [new_thread(asking.service, asking.ann) for _ in range(3)]
    asked = [asking.ask(thread=thread) for thread in threads]
    first, second = (next_talk(run_id) for run_id in asked[:2])
    assert asking.run(asked[2])["status"] == "queued"
    first.say("One.")
    first.end()
    third = next_talk(asked[2])
    for talk in (second, third):
        talk.say("Another.")
        talk.end()
    for run_id in asked:
        asking.until(run_id, "completed")


def test_a_responder_that_does_not_let_go_holds_nobody_up(
    serve: Callable[..., Site],
    asking: Asking,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runs, "HANGING_UP", 0.05)
    asking.limit(run_timeout="200 milliseconds")
    serve(responder="tests.bots:stubborn", runs_at_once=1)
    with bots.held():
        for _ in range(2):
            run = asking.until(asking.ask())
            assert (run["status"], run["error"]["code"]) == ("failed", "timeout")
    assert capsys.readouterr().out.count("responder_hangs") == 2


def test_a_responder_that_never_waits_holds_nobody_up(
    serve: Callable[..., Site], asking: Asking
) -> None:
    asking.limit(run_timeout="200 milliseconds")
    serve(responder="tests.bots:restless")
    with bots.held():
        run = asking.until(asking.ask())
    assert (run["status"], run["error"]["code"]) == ("failed", "timeout")


# The process is stopped.


def test_what_is_nearly_done_is_brought_to_its_end_when_we_are_stopped(
    fresh_database: str, asking: Asking
) -> None:
    settings = settings_for(fresh_database, responder=PUPPET)
    with serving(settings):
        talk = next_talk(asking.ask())
        talk.say("Be")
        asking.until_said(talk.request.run_id, "Be")
        talk.say("cause.")
        talk.end()
    run = asking.run(talk.request.run_id)
    assert (run["status"], run["content"]) == ("completed", "Because.")


def test_what_takes_longer_is_given_back_and_answered_by_another(
    fresh_database: str, asking: Asking, serve: Callable[..., Site]
) -> None:
    settings = settings_for(fresh_database, responder=PUPPET, shutdown_grace=0.1)
    with serving(settings):
        talk = next_talk(asking.ask())
        talk.say("Be")
        asking.until_said(talk.request.run_id, "Be")
    run = asking.run(talk.request.run_id)
    assert (run["status"], run["content"]) == ("queued", "")
    assert talk.over.is_set()
    serve()
    again = next_talk(talk.request.run_id, 2)
    again.say("Because.")
    again.end()
    asking.until(talk.request.run_id, "completed")
    assert [content for content, _ in asking.answers()] == ["Because."]


# The database goes away.


def until_written(asking: Asking, talk: Talk, said: str) -> None:
    """Let an answer come to its end; it must be there once, and whole."""
    talk.end()
    run = asking.until(talk.request.run_id)
    assert (run["status"], run["content"], run["attempt"]) == ("completed", said, 1)
    assert len(asking.answers()) == 1


def test_what_is_said_while_the_database_is_away_is_written_later(
    serve: Callable[..., Site], asking: Asking, link: Link, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(dsn=link.dsn)
    talk = next_talk(asking.ask())
    talk.say("Be")
    asking.until_said(talk.request.run_id, "Be")
    link.cut()
    talk.say("cause")
    told: list[str] = []

    def tells(event: str) -> bool:
        told.append(capsys.readouterr().out)
        return event in "".join(told)

    wait_for(partial(tells, "run_not_written"), "the worker to notice")
    talk.say(" I say so.")
    link.heal()
    asking.until_said(talk.request.run_id, "Because I say so.")
    until_written(asking, talk, "Because I say so.")


def test_an_answer_that_ends_while_the_database_is_away_is_written_later(
    serve: Callable[..., Site], asking: Asking, link: Link
) -> None:
    serve(dsn=link.dsn)
    talk = next_talk(asking.ask())
    talk.say("Be")
    asking.until_said(talk.request.run_id, "Be")
    link.cut()
    talk.say("cause.")
    talk.end()
    wait_for(talk.over.is_set, "the responder to have said it all")
    link.heal()
    until_written(asking, talk, "Because.")


def test_a_portion_of_which_nobody_knows_whether_it_was_written_is_there_once(
    serve: Callable[..., Site], asking: Asking, link: Link
) -> None:
    serve(dsn=link.dsn)
    talk = next_talk(asking.ask())
    link.lose_answer(b'"active"')
    talk.say("Be")
    asking.until_said(talk.request.run_id, "Be")
    talk.say("cause.")
    asking.until_said(talk.request.run_id, "Because.")
    until_written(asking, talk, "Because.")


def test_an_end_of_which_nobody_knows_whether_it_was_written_is_there_once(
    serve: Callable[..., Site], asking: Asking, link: Link
) -> None:
    site = serve(dsn=link.dsn)
    before = outcomes(site).get("completed", 0)
    talk = next_talk(asking.ask())
    talk.say("Because.")
    asking.until_said(talk.request.run_id, "Because.")
    link.lose_answer(b'"changed"')
    until_written(asking, talk, "Because.")
    wait_for(lambda: outcomes(site).get("completed") == before + 1, "the worker to know it, too")


def test_a_claim_that_nobody_heard_of_is_made_again_when_its_lease_ends(
    serve: Callable[..., Site], asking: Asking, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL", 0.2)
    asking.limit(run_lease=SHORT)
    serve(dsn=link.dsn)
    link.lose_answer(b'"lease_seconds"')
    run_id = asking.ask()
    talk = next_talk(run_id, 2)
    talk.say("Because.")
    talk.end()
    assert asking.until(run_id)["status"] == "completed"


# What operators see.


def test_figures_tell_of_answers_and_the_log_of_no_content(
    serve: Callable[..., Site], asking: Asking, capsys: pytest.CaptureFixture[str]
) -> None:
    site = serve()
    before = outcomes(site).get("completed", 0)
    talk = next_talk(asking.ask(LONG_TEXT))
    talk.say(LONG_TEXT)
    talk.end()
    run = asking.until(talk.request.run_id, "completed")
    wait_for(lambda: outcomes(site).get("completed") == before + 1, "it to be counted")
    figures = httpx.get(f"{site.url}/metrics").text
    assert "parley_run_first_word_seconds_count" in figures
    assert "parley_runs_under_way 0.0" in figures
    told = capsys.readouterr().out
    assert run["id"] in told
    assert LONG_TEXT not in told


# With a model behind it.


@pytest.fixture
def model() -> Iterator[FakeOpenAi]:
    with FakeOpenAi().serving() as model:
        yield model


@pytest.fixture
def modelled(serve: Callable[..., Site], model: FakeOpenAi) -> Site:
    """Serve with a model that answers."""
    return serve(responder="openai", openai_base_url=model.url, openai_model="fake-1")


@pytest.mark.usefixtures("modelled")
def test_a_model_answers_with_the_thread_before_its_eyes(model: FakeOpenAi, asking: Asking) -> None:
    model.then(Reply(reason="length"))
    run = asking.until(asking.ask("one?"))
    assert (run["status"], run["content"]) == ("completed", "Hello there!")
    assert run["message"]["metadata"] == {
        "run_id": run["id"],
        "model": "fake-1",
        "finish_reason": "length",
    }
    asking.until(asking.ask("two?"), "completed")
    assert model.words[1] == [("user", "one?"), ("assistant", "Hello there!"), ("user", "two?")]


@pytest.mark.usefixtures("modelled")
@pytest.mark.parametrize(
    ("way", "code", "said"),
    [
        (Reply(end="cut"), "cut_off", "Hello there!"),
        (Reply(("Hel",), end="error"), "unavailable", "Hel"),
        (Refusal(401), "misconfigured", None),
    ],
)
def test_a_model_that_fails_leaves_a_code_and_what_it_had_said(
    model: FakeOpenAi, asking: Asking, way: Any, code: str, said: str | None
) -> None:
    model.then(way)
    run = asking.until(asking.ask())
    assert (run["status"], run["error"]["code"]) == ("failed", code)
    assert (run["message"] or {}).get("content") == said
    assert asking.until(asking.ask("again?"))["status"] == "completed"


@pytest.mark.usefixtures("modelled")
def test_a_model_is_hung_up_on_when_the_answer_is_cancelled(
    model: FakeOpenAi, asking: Asking
) -> None:
    asking.limit(run_lease=SHORT)
    model.then(Reply(end="stall"))
    run_id = asking.ask()
    asking.until_said(run_id, "Hello there!")
    about = {"conversation_id": asking.thread, "actor_id": asking.ann, "run_id": run_id}
    succeed(asking.service, "cancel_run_atomic", **about)
    wait_for(lambda: model.hung_up == 1, "the model to be hung up on")


@pytest.fixture(autouse=True)
def _no_talks() -> Iterator[None]:
    yield
    bots.talks.clear()
