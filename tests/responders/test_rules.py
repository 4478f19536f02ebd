"""The bot that answers from a file of patterns."""

from pathlib import Path

import pytest

from tests.responders.support import asked, listen, request
from thin_api.responders import Message, User, rules
from thin_api.settings import Settings, SettingsError

SHOP = r"""
fallback = "We are closed, {name}. {{sorry}}"

[[rules]]
pattern = 'order (?P<number>\d+)( please)?'
answer = "Order {number} is on its way{2} ({0})."

[[rules]]
pattern = 'order'
answer = "Which one?"
"""


async def say(question: str, path: Path | None = None, name: str | None = "Ann") -> str:
    """Ask the bot of a file, ours by default."""
    async with rules.opening(Settings(rules_file=path))() as answer:
        (said,) = await listen(answer, asked(question, user=User("u", name)))
    return said


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(SHOP)
    return path


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Hello!", "Hello Ann! What can I do for you?"),
        ("well, my name is Müller-Lüdenscheidt", "Nice to meet you, Müller-Lüdenscheidt."),
        ("please repeat after me: {name} {0} {x", "{name} {0} {x"),
        ("THANK YOU so much", "You are welcome, Ann."),
        ("bye", "Goodbye, Ann."),
    ],
)
async def test_it_works_with_nothing_given(question: str, answer: str) -> None:
    assert await say(question) == answer


async def test_whoever_has_no_name_is_greeted_all_the_same() -> None:
    assert await say("hi", name=None) == "Hello there! What can I do for you?"


async def test_the_first_pattern_found_answers_with_what_it_found(shop: Path) -> None:
    assert await say("my Order 12?", shop) == "Order 12 is on its way (Order 12)."
    assert await say("order 7 please", shop) == "Order 7 is on its way please (order 7 please)."
    assert await say("an order", shop) == "Which one?"


@pytest.mark.parametrize("question", ["what?", "", "{name}", "x" * rules.LONGEST_READ + "order"])
async def test_the_fallback_answers_the_rest(shop: Path, question: str) -> None:
    assert await say(question, shop) == "We are closed, Ann. {sorry}"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["uorder 1", "uorder 3", "u"], "Order 3 is on its way (order 3)."),
        (["uorder 1", "uplease!", "uquickly!"], "Order 1 is on its way (order 1)."),
        (["uorder 1", "ayes", "uthanks"], "We are closed, Ann. {sorry}"),
        (["uorder 1", "anot order 2"], "Order 1 is on its way (order 1)."),
    ],
)
async def test_the_latest_of_what_is_unanswered_is_answered(
    shop: Path, said: list[str], answer: str
) -> None:
    roles = {"u": "user", "a": "assistant"}
    messages = [
        Message(id=str(n), role=roles[one[0]], content=one[1:] or None)  # type: ignore[arg-type]
        for n, one in enumerate(said)
    ]
    async with rules.opening(Settings(rules_file=shop))() as responder:
        assert await listen(responder, request(messages)) == [answer]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fallback =", "cannot be read"),
        ("", "fallback has no answer"),
        ("fallback = ' '", "fallback has no answer"),
        ("fallback = 'x'\nrules = 1", "something else"),
        ("fallback = 'x'\nrule = []", "something else"),
        ("fallback = '{0'", "fallback: "),
        ("fallback = '{name!r}'", "fallback has nothing to put in place of {name}"),
        ("fallback = '{name.__class__}'", "fallback has nothing to put in place of {name.__class"),
        ("fallback = '{0}'", "fallback has nothing to put in place of {0}"),
        ("fallback = '{}'", "fallback has nothing to put in place of {}"),
        ("fallback = 'x'\nrules = [1]", "rule 1 must have a pattern and an answer"),
        ("fallback = 'x'\n[[rules]]\npattern = 'x'", "rule 1 must have a pattern and an answer"),
        ("fallback = 'x'\n[[rules]]\npattern = '('\nanswer = 'x'", "rule 1 has no pattern"),
        (
            "fallback = 'x'\n[[rules]]\npattern = 'x'\nanswer = '{1}'",
            "rule 1 has nothing to put in",
        ),
        ("fallback = 'x'\n[[rules]]\npattern = 1\nanswer = 'x'", "rule 1 has no pattern"),
    ],
)
def test_a_file_that_cannot_be_used_stops_with_one_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        rules.opening(Settings(rules_file=path))
    message = str(raised.value)
    assert message.startswith("PARLEY_RULES_FILE=")
    assert problem in message
    assert "\n" not in message


def test_a_file_that_is_not_there_stops(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        rules.opening(Settings(rules_file=tmp_path / "none"))
