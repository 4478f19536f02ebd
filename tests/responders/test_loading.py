"""The responder that the settings name, and the request it is given."""

import sys
from pathlib import Path

import pytest

from tests.responders.support import asked, listen
from thin_api.responders import Message, User, request_of
from thin_api.responders.loading import load_responder
from thin_api.settings import Settings, SettingsError

MINE = """
async def answer(request):
    yield f"{len(request.messages)} messages, {request.user.display_name}"

async def no_generator(request):
    return "x"
"""


@pytest.fixture
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_bot.py").write_text(MINE)
    (tmp_path / "unwritten_bot.py").write_text("async def")
    (tmp_path / "broken_bot.py").write_text("\n1 / 0")
    (tmp_path / "script.py").write_text("import sys\nsys.exit(5)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


async def heard(settings: Settings, *said: str) -> list[str]:
    """Open the responder of some settings and hear its answer."""
    opening = load_responder(settings)
    assert opening
    async with opening() as answer:
        return await listen(answer, asked(*said))


async def test_rules_answer_unless_somebody_else_is_named() -> None:
    assert await heard(Settings(), "hello") == ["Hello Ann! What can I do for you?"]


def test_where_nothing_is_answered_nobody_is_loaded() -> None:
    assert load_responder(Settings(runs_at_once=0, responder="nobody")) is None


@pytest.mark.usefixtures("_own_folder")
async def test_a_function_of_ones_own_is_found_in_the_folder_we_are_started_in() -> None:
    settings = Settings(responder="my_bot:answer")
    assert await heard(settings, "a", "b", "c") == ["3 messages, Ann"]


@pytest.mark.usefixtures("_own_folder")
@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("rule", "must be rules, openai or module:function"),
        ("my_bot:", "must be rules, openai or module:function"),
        (":answer", "must be rules, openai or module:function"),
        ("no_such_bot:answer", "cannot be loaded: No module named 'no_such_bot'"),
        ("my_bot:nobody", "cannot be loaded: "),
        ("my_bot:no_generator", "is not an async generator function"),
        ("unwritten_bot:answer", "(unwritten_bot.py, line 1)"),
        ("broken_bot:answer", "cannot be loaded: ZeroDivisionError: division by zero ("),
        ("broken_bot:answer", "broken_bot.py, line 2)"),
        ("script:answer", "cannot be loaded: SystemExit: 5 ("),
    ],
)
def test_what_cannot_answer_stops_with_one_line(place: str, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_responder(Settings(responder=place))
    message = str(raised.value)
    assert message.startswith(f"PARLEY_RESPONDER='{place}' ")
    assert problem in message
    assert "\n" not in message


def test_a_model_must_be_named_to_be_asked() -> None:
    with pytest.raises(SettingsError, match="PARLEY_OPENAI_MODEL is required"):
        load_responder(Settings(responder="openai"))


def test_a_request_is_read_from_a_claimed_run_whatever_else_it_tells() -> None:
    request = request_of(
        {
            "id": "r",
            "conversation_id": "c",
            "thread_id": "c",
            "message_id": "m",
            "attempt": 2,
            "lease": "l",
            "timeout_seconds": 300,
            "configuration": {"tone": "dry"},
            "thread": {"id": "c", "kind": "assistant"},
            "user": {"id": "u", "display_name": None, "external_id": "e", "mood": "good"},
            "messages": [{"id": "m", "role": "user", "content": "hi", "weight": 3}],
        }
    )
    assert request.user == User("u", None, "e")
    assert request.messages == (Message(id="m", role="user", content="hi"),)
    assert (request.question, request.attempt, request.timeout) == ("hi", 2, 300.0)
    assert request.notes == {}
