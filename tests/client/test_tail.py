"""What `parley tail` prints, on a terminal that must come to no harm, and how it ends."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.client.fake import FakeServer, Socket
from tests.client.support import HERE, ME, OTHER, THERE, Json, Log
from tests.http.support import SECRET
from tests.support import PATIENCE
from thin_api.client.tail import escaped, line

NOW = datetime(2026, 2, 9, 13, tzinfo=UTC)
EVIL = "red \x1b[31m\x07 up\x9b1A\r\n\u2028over \u202etxt.exe\x7f \\n \udcff"


def about(kind: str, **more: Any) -> Json:
    return {"type": kind, "conversation_id": HERE, **more}


def test_a_message_is_one_line_of_time_place_number_kind_sender_and_words() -> None:
    frame = Log().send("hello, world")
    assert line(frame, NOW) == (
        f"2026-02-09T12:00:00Z  {HERE}       1  message_created       Bo  hello, world"
    )


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (about("skip", seq=7), "7 skip -"),
        (about("typing", user_id=OTHER), f"- typing {OTHER}"),
        (
            about("receipt", user_id=OTHER, delivered_seq=5, read_seq=3),
            f"- receipt {OTHER} delivered 5, read 3",
        ),
        (about("reset", last_seq=9), "- reset - too much to tell: the log is at 9"),
        (
            about("delivery", message_id=OTHER, status="read"),
            f"- delivery - read: message {OTHER}",
        ),
        (about("run_delta", run_id=OTHER, attempt=1, offset=0, content="So"), "- run_delta - So"),
        (about("run_completed", run_id=OTHER), f"- run_completed - run {OTHER}"),
        (
            about("run_failed", run_id=OTHER, status="expired"),
            f"- run_failed - expired: run {OTHER}",
        ),
        (about("conversation_deleted"), "- conversation_deleted -"),
        (
            about("error", error="not_a_member", message="you are not"),
            "- error - not_a_member: you are not",
        ),
        (
            about("conversation_updated", seq=4, actor_id=ME, conversation={"title": "New"}),
            f"4 conversation_updated {ME} New",
        ),
        (
            about("conversation_created", seq=0, message=None, conversation={"title": None}),
            "0 conversation_created -",
        ),
    ],
)
def test_every_kind_of_event_has_its_line(frame: Json, told: str) -> None:
    parts = line(frame, NOW).split()
    assert parts == ["2026-02-09T13:00:00Z", HERE, *told.split()]


def test_changes_tell_who_made_them_and_when() -> None:
    log = Log()
    message_id = log.send("one")["message"]["id"]
    edited = log.edit(message_id, "two") | {"actor_id": OTHER}
    edited["message"]["edited_at"] = "2026-02-09T14:30:00+02:00"
    assert line(edited, NOW).split() == [
        *("2026-02-09T12:30:00Z", HERE, "2", "message_edited", "Bo", "two")
    ]
    reacted = log.react(message_id, "👍") | {"actor_id": ME, "emoji": "👍"}
    assert line(reacted, NOW).split()[3:] == ["reaction_added", ME, "👍"]
    deleted = log.delete(message_id) | {"actor_id": OTHER}
    assert line(deleted, NOW).split()[3:] == ["message_deleted", "Bo"]


def test_a_member_event_tells_who_did_it() -> None:
    frame = Log().send("Ada added Bo", sender=OTHER) | {"type": "member_added"}
    frame["message"] |= {"sender_id": None, "sender_name": None, "metadata": {"actor_id": ME}}
    assert line(frame, NOW).split()[3:] == ["member_added", ME, "Ada", "added", "Bo"]


def test_nothing_a_terminal_acts_upon_gets_through() -> None:
    frame = Log().send(EVIL)
    frame["message"]["sender_name"] = "Bo\x1b]0;title\x07"
    shown = line(frame, NOW)
    assert shown.isprintable()
    assert r"Bo\x1b]0;title\x07" in shown
    assert shown.endswith(r"red \x1b[31m\x07 up\x9b1A\r\n\u2028over \u202etxt.exe\x7f \\n \udcff")


def test_what_people_write_is_left_as_it_is() -> None:
    words = "Grüße, 日本語\u3000👩\u200d💻 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert escaped(words) == words


class Tail:
    """A running `parley tail`."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def line(self) -> str:
        """Return the next line of its output."""
        return await self._next(self._process.stdout)

    async def said(self) -> str:
        """Return the next line it says beside its output."""
        return await self._next(self._process.stderr)

    async def end(self, number: int | None = None) -> tuple[int, str, str]:
        """Wait for its end, or bring it about; status, what else it printed and said."""
        if number is not None:
            self._process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, out.decode(), err.decode()

    async def _next(self, stream: asyncio.StreamReader | None) -> str:
        assert stream
        async with asyncio.timeout(PATIENCE):
            return (await stream.readline()).decode()


@asynccontextmanager
async def tailing(*arguments: str, folder: Path, **more: str) -> AsyncIterator[Tail]:
    """Run the command in an environment of its own."""
    ours = ("PARLEY_", "DATABASE_URL")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment |= {"PARLEY_DATA_DIR": str(folder), "PARLEY_JWT_SECRET": SECRET}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "thin_api", "tail", *arguments),
        env=environment | more,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield Tail(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """Yield a server that does what we say."""
    async with FakeServer().running() as server:
        yield server


def here(last_seq: int = 0) -> Json:
    return {"conversation_id": HERE, "last_seq": last_seq}


async def test_it_follows_comes_back_and_ends_quietly_with_ctrl_c(
    server: FakeServer, tmp_path: Path
) -> None:
    log = Log()

    async def first(socket: Socket) -> None:
        await socket.ready(here())
        await socket.send(log.send("one"))
        await socket.close(1012, "restart \x1b[2J")

    async def second(socket: Socket) -> None:
        await socket.ready(here(1))
        await socket.send(log.send("two"))
        await socket.stay()

    server.sessions = [first, second]
    async with tailing("--user", ME, "--url", server.url, folder=tmp_path) as tail:
        assert (await tail.line()).endswith("  message_created       Bo  one\n")
        assert await tail.said() == "parley tail: connected\n"
        lost = await tail.said()
        assert "1012" in lost
        assert lost.rstrip("\n").isprintable()
        assert (await tail.line()).endswith("  message_created       Bo  two\n")
        assert await tail.said() == "parley tail: connected\n"
        assert await tail.end(signal.SIGINT) == (130, "", "")
    claims = jwt.decode(server.hellos[0]["token"], SECRET, algorithms=["HS256"])
    assert claims["sub"] == ME
    assert server.hellos[1]["cursors"] == {HERE: 1}


async def test_json_is_the_frame_as_it_came_and_harmless(
    server: FakeServer, tmp_path: Path
) -> None:
    frames = [Log().send(EVIL), about("typing", user_id=OTHER)]

    async def serve(socket: Socket) -> None:
        await socket.ready(here())
        await socket.send(*frames)
        await socket.stay()

    server.sessions = [serve]
    given = ("--token", "given", "--json", "--url", server.url)
    async with tailing(*given, folder=tmp_path) as tail:
        lines = [await tail.line(), await tail.line()]
        assert [json.loads(one) for one in lines] == frames
        assert all(one.rstrip("\n").isprintable() for one in lines)
        assert all(one.isascii() for one in lines)
        status, _, err = await tail.end(signal.SIGTERM)
        assert (status, err) == (143, "parley tail: connected\n")
    assert server.hellos[0]["token"] == "given"


async def test_one_conversation_from_a_number_on(server: FakeServer, tmp_path: Path) -> None:
    async def serve(socket: Socket) -> None:
        await socket.ready(here(9), {"conversation_id": THERE, "last_seq": 0})
        await socket.send(about("skip", seq=5), {**about("skip", seq=1), "conversation_id": THERE})
        await socket.send(about("skip", seq=6))
        await socket.stay()

    server.sessions = [serve]
    given = ("--user", ME, "--conversation", HERE, "--since", "4", "--url", server.url)
    async with tailing(*given, "--json", folder=tmp_path) as tail:
        assert [json.loads(await tail.line())["seq"] for _ in range(2)] == [5, 6]
    assert server.hellos[0]["cursors"] == {HERE: 4}


async def test_a_conversation_of_others_is_refused(server: FakeServer, tmp_path: Path) -> None:
    async def serve(socket: Socket) -> None:
        await socket.ready(here(9))
        await socket.stay()

    server.sessions = [serve]
    given = ("--user", ME, "--conversation", THERE, "--url", server.url)
    async with tailing(*given, folder=tmp_path) as tail:
        status, out, err = await tail.end()
    assert (status, out) == (1, "")
    assert f"no member of the conversation {THERE}" in err


async def test_a_token_that_is_not_taken_ends_it(server: FakeServer, tmp_path: Path) -> None:
    async def serve(socket: Socket) -> None:
        await socket.send({"type": "error", "error": "unauthenticated", "message": "bad \x1b[2J"})
        await socket.close(4401)

    server.sessions = [serve]
    async with tailing("--user", ME, "--url", server.url, folder=tmp_path) as tail:
        status, out, err = await tail.end()
    assert (status, out) == (1, "")
    assert err == r"parley tail: the server does not take our token: bad \x1b[2J" + "\n"


@pytest.mark.parametrize(
    "given",
    [(), ("--user", "ada"), ("--user", ME, "--since", "-1"), ("--user", ME, "--since", "x")],
)
async def test_wrong_arguments_end_it_with_status_2(given: tuple[str, ...], tmp_path: Path) -> None:
    async with tailing(*given, folder=tmp_path) as tail:
        status, out, err = await tail.end()
    assert (status, out) == (2, "")
    assert "Traceback" not in err


async def test_an_output_nobody_reads_ends_it(server: FakeServer, tmp_path: Path) -> None:
    async def serve(socket: Socket) -> None:
        await socket.ready(here())
        await socket.send(*(about("typing", user_id=OTHER) for _ in range(100)))
        await socket.stay()

    server.sessions = [serve]
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PARLEY_DATA_DIR": str(tmp_path), "PARLEY_JWT_SECRET": SECRET}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "thin_api", "tail", "--token", "t", "--url", server.url),
        env=environment,
        stdout=writing,
        stderr=PIPE,
    )
    os.close(writing)
    async with asyncio.timeout(PATIENCE):
        _, err = await process.communicate()
    assert process.returncode == 1
    assert b"Traceback" not in err
