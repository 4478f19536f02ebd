"""A model behind HTTP: what it is asked, and what is made of whatever it answers."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import structlog

from tests.fake_openai import AWAY, MODEL, SPENT, THROTTLED, Babble, FakeOpenAi, Refusal, Reply
from tests.responders.support import asked, listen, request
from tests.support import wait_for
from thin_api.responders import Message, Request, ResponderError, openai
from thin_api.responders.openai import PAUSE, TRIES, OpenAi, opening, within_budget
from thin_api.settings import Settings

JSON = [(b"content-type", b"application/json")]
SILENCE = 0.2


@pytest.fixture
def model() -> Iterator[FakeOpenAi]:
    with FakeOpenAi().serving() as model:
        yield model


class Caller:
    """Our side of it: what was heard, and how long it would have slept between tries."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        settings = Settings(openai_base_url=f"{url}/", openai_model=MODEL)
        self.slept: list[float] = []
        self.heard: list[str] = []
        self.answer = OpenAi(settings, client, self._sleep).answer

    async def hear(self, request: Request | None = None) -> str:
        """Listen to an answer; what was heard before an error stays in `heard`."""
        async with contextlib.aclosing(self.answer(request or asked("hi"))) as pieces:
            async for piece in pieces:
                self.heard.append(piece)
        return "".join(self.heard)

    async def fail(self, request: Request | None = None) -> str:
        """Listen to an answer that must break off; the code it tells."""
        with pytest.raises(ResponderError) as raised:
            await self.hear(request)
        return raised.value.code

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
async def caller(model: FakeOpenAi) -> AsyncIterator[Caller]:
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=SILENCE)) as client:
        yield Caller(model.url, client)


@pytest.fixture
def told() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def test_an_answer_comes_in_pieces(model: FakeOpenAi, caller: Caller) -> None:
    question = asked("hi")
    assert await caller.hear(question) == "Hello there!"
    assert caller.heard == ["Hello", " there", "!"]
    assert question.notes == {"model": MODEL}
    assert model.asked == [
        {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    ]


async def test_a_model_is_told_who_asks_it_what_it_is_and_what_was_said(model: FakeOpenAi) -> None:
    settings = Settings(
        openai_base_url=model.url,
        openai_model=MODEL,
        openai_api_key="a key",
        openai_system_prompt="You are a shop.",
    )
    said = [
        Message(id="1", role="user", content="look", type="text"),
        Message(id="2", role="user", content=None, type="image"),
        Message(id="3", role="assistant", content="nice", source="person"),
        Message(id="4", role="user", content="thanks"),
    ]
    async with opening(settings)() as answer:
        assert await listen(answer, request(said)) == ["Hello", " there", "!"]
    assert model.requests[0].headers["authorization"] == "Bearer a key"
    assert model.words == [
        [
            ("system", "You are a shop."),
            ("user", "look"),
            ("user", "[image]"),
            ("assistant", "nice"),
            ("user", "thanks"),
        ]
    ]


async def test_a_server_of_ones_own_may_want_no_key(model: FakeOpenAi) -> None:
    settings = Settings(openai_base_url=model.url, openai_model=MODEL)
    async with opening(settings)() as answer:
        assert await listen(answer, asked("hi"))
    assert "authorization" not in model.requests[0].headers


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_why_an_answer_is_short_is_noted(
    model: FakeOpenAi, caller: Caller, reason: str
) -> None:
    model.then(Reply(reason=reason))
    question = asked("hi")
    assert await caller.hear(question) == "Hello there!"
    assert question.notes == {"model": MODEL, "finish_reason": reason}


@pytest.mark.parametrize("end", ["silent_end", "late_cut", "late_stall"])
async def test_an_answer_whose_reason_to_end_was_told_is_whole(
    model: FakeOpenAi, caller: Caller, end: Any
) -> None:
    model.then(Reply(end=end))
    assert await caller.hear() == "Hello there!"
    assert len(model.asked) == 1


@pytest.mark.parametrize("name", ['{"a": 1}', '"a\\u0000b"', f'"{"m" * 201}"', "5"])
async def test_what_is_no_name_is_not_noted(model: FakeOpenAi, caller: Caller, name: str) -> None:
    told = (
        f'"model": {name}, "choices": [{{"delta": {{"content": "Hi"}}, "finish_reason": "stop"}}]'
    )
    model.then(Babble(f"data: {{{told}}}\n\n".encode()))
    question = asked("hi")
    assert await caller.hear(question) == "Hi"
    assert question.notes == {}


@pytest.mark.parametrize("beginning", [b"", b"data: ", b"data: {}\n\n"])
async def test_of_a_stream_without_end_only_so_much_is_read(
    model: FakeOpenAi, caller: Caller, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr(openai, "MOST_READ", 100_000)
    model.then(Babble(beginning + b"x" * 100_001))
    assert await caller.fail() == "bad_answer"
    assert len(model.asked) == 1


async def test_an_answer_may_be_empty(model: FakeOpenAi, caller: Caller) -> None:
    model.then(Reply(pieces=()))
    assert await caller.hear() == ""


async def test_what_a_model_says_of_why_it_says_nothing_is_the_answer(
    model: FakeOpenAi, caller: Caller
) -> None:
    said = b'data: {"choices": [{"delta": {"content": null, "refusal": "No."}}]}\n\n'
    model.then(Babble(said + b"data: [DONE]\n\n"))
    assert await caller.hear() == "No."


@pytest.mark.parametrize("way", [THROTTLED, AWAY, Refusal(500), Refusal(408), Reply((), "cut")])
async def test_before_the_first_word_what_passes_is_tried_again(
    model: FakeOpenAi, caller: Caller, way: Any
) -> None:
    model.then(way, way)
    assert await caller.hear() == "Hello there!"
    assert caller.slept == [PAUSE, 2 * PAUSE]
    assert len(model.asked) == 3


async def test_silence_before_the_first_word_is_tried_again(
    model: FakeOpenAi, caller: Caller
) -> None:
    model.then(Reply((), "stall"))
    assert await caller.hear() == "Hello there!"
    wait_for(lambda: model.hung_up == 1, "the silent one to be hung up on")


async def test_a_server_says_when_to_come_back(model: FakeOpenAi, caller: Caller) -> None:
    model.then(
        Refusal(429, headers={"Retry-After": "7"}), Refusal(503, headers={"Retry-After": "0"})
    )
    assert await caller.hear() == "Hello there!"
    assert caller.slept == [7, 2 * PAUSE]


async def test_nobody_is_waited_for_longer_than_anybody_listens(
    model: FakeOpenAi, caller: Caller
) -> None:
    model.then(Refusal(429, headers={"Retry-After": "21"}))
    assert await caller.fail(asked("hi", timeout=20.0)) == "unavailable"
    assert caller.slept == []


async def test_it_is_tried_so_often_and_not_more(model: FakeOpenAi, caller: Caller) -> None:
    model.choose = lambda: AWAY
    assert await caller.fail() == "unavailable"
    assert len(model.asked) == TRIES


async def test_a_server_that_is_not_there_is_tried_again(caller: Caller) -> None:
    async with httpx.AsyncClient() as client:
        nobody = Caller("http://127.0.0.1:9/v1", client)
        assert await nobody.fail() == "unavailable"
    assert len(nobody.slept) == TRIES - 1


@pytest.mark.parametrize(
    ("way", "code"),
    [
        (Reply(end="cut"), "cut_off"),
        (Reply(end="unfinished"), "cut_off"),
        (Reply(end="stall"), "stalled"),
        (Reply(end="error"), "unavailable"),
    ],
)
async def test_what_breaks_off_later_is_not_begun_again(
    model: FakeOpenAi, caller: Caller, way: Reply, code: str
) -> None:
    model.then(way)
    assert await caller.fail() == code
    assert "".join(caller.heard) == "Hello there!"
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"data: {\n\n",
        b"data: []\n\n",
        b'data: "text"\n\n',
        b'data: {"choices": 1}\n\n',
        b'data: {"choices": [1]}\n\n',
        b'data: {"choices": [{"delta": {"content": ["a"]}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n',
        b"data: \xff\xfe\n\n",
    ],
)
async def test_nonsense_is_no_answer(model: FakeOpenAi, caller: Caller, body: bytes) -> None:
    model.then(Babble(body))
    assert await caller.fail() == "bad_answer"
    assert len(model.asked) == 1


@pytest.mark.parametrize("body", [b"", b"\n\n\n", b"event: ping\n\n", b'data: {"choices": [{'])
async def test_nothing_at_all_is_tried_again(
    model: FakeOpenAi, caller: Caller, body: bytes
) -> None:
    model.then(Babble(body))
    assert await caller.hear() == "Hello there!"


async def test_another_kind_of_answer_is_none(model: FakeOpenAi, caller: Caller) -> None:
    model.then(Babble(b'{"choices": [{"message": {"content": "hi"}}]}', JSON))
    assert await caller.fail() == "bad_answer"


@pytest.mark.parametrize("way", [Refusal(401), Refusal(403), Refusal(404), Refusal(308), SPENT])
async def test_who_does_not_let_us_in_is_told_of_in_the_log(
    model: FakeOpenAi, caller: Caller, told: list[Any], way: Refusal
) -> None:
    model.then(way)
    assert await caller.fail() == "misconfigured"
    (line,) = told
    assert (line["event"], line["log_level"]) == ("responder_misconfigured", "error")
    assert line["status"] == way.status


async def test_a_question_may_not_be_accepted(
    model: FakeOpenAi, caller: Caller, told: list[Any]
) -> None:
    model.then(Refusal(400, {"code": "context_length_exceeded", "message": "Ann's secrets"}))
    assert await caller.fail() == "refused"
    (line,) = told
    assert (line["event"], line["code"]) == ("responder_refused", "context_length_exceeded")


async def test_the_log_quotes_nobody(model: FakeOpenAi, caller: Caller, told: list[Any]) -> None:
    talkative = Refusal(503, {"code": "the key of Ann is bad", "type": ["Ann"]})
    model.then(THROTTLED, talkative, Reply(end="error"))
    assert await caller.fail() == "unavailable"
    assert len(told) == 3
    assert "Ann" not in str(told)


async def test_who_stops_listening_hangs_up(model: FakeOpenAi, caller: Caller) -> None:
    model.then(Reply(("Hello",), "stall"))
    async with contextlib.aclosing(caller.answer(asked("hi"))) as pieces:
        assert await anext(pieces) == "Hello"
    wait_for(lambda: model.hung_up == 1, "the model to be hung up on")


def kept(budget: int, *said: str) -> list[str | None]:
    """What is left of what was said."""
    given = asked(*said)
    return [one.content for one in within_budget(given.messages, given.message_id, budget)]


@pytest.mark.parametrize(
    ("budget", "left"),
    [
        (18, ["one", "two", "abc"]),  # 5 tokens each: three bytes are one, and four around it
        (15, ["one", "two", "abc"]),
        (14, ["two", "abc"]),
        (9, ["abc"]),
        (1, ["abc"]),
    ],
)
def test_the_oldest_is_dropped_first_and_the_question_never(budget: int, left: list[str]) -> None:
    assert kept(budget, "one", "two", "abc") == left


def test_scripts_of_more_bytes_a_letter_have_more_tokens() -> None:
    assert kept(15, "好", "question") == ["好", "question"]
    assert kept(15, "你好你好你", "question") == ["question"]


def test_what_is_dropped_is_dropped_in_one_piece() -> None:
    assert kept(12, "a", "a long message that does not fit", "b") == ["b"]


def test_what_was_said_after_the_question_stays_with_it() -> None:
    said = [Message(id=str(n), role="user", content="x" * 30) for n in range(4)]
    assert list(within_budget(said, "2", 1)) == said[2:]


def test_a_question_that_is_gone_leaves_the_last_message() -> None:
    said = [Message(id=str(n), role="user", content="x" * 30) for n in range(4)]
    assert list(within_budget(said, "gone", 1)) == said[3:]
    assert list(within_budget([], "gone", 1)) == []
