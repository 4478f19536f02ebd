import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.http.support import SECRET, settings_for
from tests.replay.conftest import Served
from tests.support import connect as connect_database
from tests.support import violations, wait_for
from thin_api import replay
from thin_api.cli import main
from thin_api.replay.clients import Client, Tokens, connect
from thin_api.replay.log import annotation_path, parse, read_answers, read_log
from thin_api.replay.plan import Plan, make_plan
from thin_api.replay.runner import Conversation, Message
from thin_api.replay.server import find_server
from thin_api.replay.verify import differences, stored_lines

HARD = [
    "=== early [n=e@host]  has left #c []",
    "[12:00] <a> hello",
    "[12:00] <b> a: hello",
    "=== c [n=c@host]  has joined #c",
    "=== c [n=c@host]  has joined #c",
    "[12:01]  * c waves",
    "[12:01] <Ttech>",
    "[12:01] <b>    ",
    "=== a is now known as t",
    "=== b is now known as a",
    "=== t is now known as b",
    "[12:02] <a> I was b",
    "[12:02] <b> I was a",
    "=== c_ is now known as c",
    '=== a [n=a@host]  has left #c ["bye"]',
    "=== a [n=a@host]  has joined #c",
    "=== c was kicked off #c by a (out)",
    "[12:03] <c> back, unseen",
    "=== mode/#c [+o a]  by ChanServ",
    "[12:03] <zcat[1] > NUL \0, control \x02, caf\udce9, tab\t.",
    "[12:03] <zcat[1] > " + "long " * 3300,
    "",
    "=== [zcat]  [n=z@host]  has quit [Quit: bye]",
]
ANSWERS = {2: [1], 11: [1, 2, 11], 12: [11]}


class Killed(Exception):  # noqa: N818 - not an error of ours
    pass


class Mortal(Client):
    """A client that dies before or after its n-th request, counted over all clients."""

    lives = 0
    unheard = False

    async def ask(self, *args: Any, **more: Any) -> dict[str, Any]:
        Mortal.lives -= 1
        is_last = Mortal.lives == 0
        if is_last and not Mortal.unheard:
            raise Killed
        answer = await super().ask(*args, **more)
        if is_last:
            raise Killed
        return answer


def run(parley: Served, file: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    args = parser.parse_args([str(file), "--base-url", parley.url, *arguments])
    return replay.run(args, parley.settings)


def everything(parley: Served) -> list[Any]:
    """Everything a replay could change, as text: a replay that adds nothing leaves it as it is."""
    return parley.connection.execute(
        "select c::text from chat.conversations c union all select m::text from chat.messages m"
        " union all select m::text from chat.members m union all"
        " select (u.user_id, u.display_name)::text from chat.users u order by 1"
    ).fetchall()


async def play(parley: Served, plan: Plan, key: str, clients: int = 4) -> Conversation:
    async with connect(parley.url, clients) as crowd:
        conversation = await Conversation.open(
            plan, crowd, Tokens(parley.settings), key=key, title="A log"
        )
        await conversation.play(lambda _: None)
        return conversation


async def read(
    parley: Served, plan: Plan, conversation: Conversation
) -> tuple[Sequence[Message], dict[str, str]]:
    async with connect(parley.url, 4) as crowd:
        reader = Conversation(plan, crowd, Tokens(parley.settings), conversation.conversation_id)
        return await reader.history(), await reader.members()


def test_an_excerpt_is_stored_line_for_line(
    parley: Served, excerpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(parley, excerpt, "--verify") == 0
    assert "the stored history equals the log" in capsys.readouterr().out


def test_a_second_run_adds_nothing(parley: Served, excerpt: Path) -> None:
    assert run(parley, excerpt) == 0
    before = everything(parley)
    assert run(parley, excerpt, "--verify", "--clients", "3") == 0
    assert everything(parley) == before


def test_lines_keep_their_order_with_one_client_or_with_many(parley: Served, excerpt: Path) -> None:
    for clients in ("1", "2", "40"):
        key = f"with {clients}"
        assert (
            run(parley, excerpt, "--verify", "--clients", clients, "--conversation-key", key) == 0
        )


def test_hard_lines_are_stored_line_for_line(
    parley: Served, write_log: Callable[..., Path]
) -> None:
    file = write_log(*HARD)
    annotation_path(file).write_text(
        "".join(f"{a} {b} -\n" for b, earlier in ANSWERS.items() for a in earlier)
    )
    assert run(parley, file, "--verify") == 0


def test_an_empty_log_is_a_conversation_without_messages(
    parley: Served, write_log: Callable[..., Path]
) -> None:
    assert run(parley, write_log(), "--verify") == 0


def test_joins_leaves_and_renames_really_happen(
    parley: Served, write_log: Callable[..., Path]
) -> None:
    file = write_log(
        "=== a [n=a@h]  has joined #c",
        "[12:00] <b> hi",
        "=== a [n=a@h]  has left #c []",
        "=== b is now known as c",
    )
    assert run(parley, file) == 0
    members = parley.connection.execute(
        "select u.display_name, m.role, m.left_seq is null from chat.members m"
        " join chat.users u using (user_id) order by 1"
    ).fetchall()
    assert members == [
        ("a", "member", False),
        ("c", "member", True),
        ("channel service", "owner", True),
    ]


def test_annotations_become_replies(parley: Served, write_log: Callable[..., Path]) -> None:
    file = write_log("[12:00] <a> why?", "[12:00] <b> hm", "[12:01] <c> a: because")
    annotation_path(file).write_text("0 0 -\n0 2 -\n1 2 -\n")
    assert run(parley, file, "--verify") == 0
    replies = parley.connection.execute(
        "select m.content, a.content from chat.messages m"
        " join chat.messages a on a.id = m.reply_to_id"
    ).fetchall()
    assert replies == [("a: because", "why?")]


def test_a_limit_replays_the_first_lines_and_the_rest_can_follow(
    parley: Served, excerpt: Path
) -> None:
    assert run(parley, excerpt, "--limit", "7", "--verify") == 0
    assert run(parley, excerpt, "--limit", "9", "--verify") == 0
    assert run(parley, excerpt, "--verify") == 0
    before = everything(parley)
    assert run(parley, excerpt, "--limit", "7", "--verify") == 0
    assert everything(parley) == before


@pytest.mark.parametrize("unheard", [False, True], ids=["unsent", "unheard"])
async def test_a_replay_killed_at_any_request_goes_on_to_the_same_end(
    parley: Served, monkeypatch: pytest.MonkeyPatch, unheard: bool
) -> None:
    lines = parse("\n".join(HARD[1:5] + HARD[8:17]))

    async def end_of(key: str, *, killed_at: int) -> tuple[list[Any], list[str], bool]:
        plan = make_plan(lines, {1: [0], 8: [7]}, key)
        names = {person.user_id: f"person {i}" for i, person in enumerate(plan.people)}
        names[plan.bot_id] = "bot"
        died = False
        with monkeypatch.context() as patch:
            patch.setattr("thin_api.replay.clients.Client", Mortal)
            patch.setattr(Mortal, "lives", killed_at)
            patch.setattr(Mortal, "unheard", unheard)
            try:
                await play(parley, plan, key)
            except Killed:
                died = True
        conversation = await play(parley, plan, key)
        history, members = await read(parley, plan, conversation)
        assert list(differences(lines, plan, history, members)) == []
        log = [
            (
                message["seq"],
                names.get(message["sender_id"]),
                message["content"],
                [names[one] for one in message["metadata"].get("user_ids", [])],
            )
            for message in history
        ]
        return log, sorted(f"{names[one]} {name}" for one, name in members.items()), died

    expected = await end_of("whole", killed_at=0)
    request, died = 1 + unheard, True
    while died:
        *end, died = await end_of(f"killed at {request}", killed_at=request)
        assert end == list(expected[:2])
        request += 2
    assert request > len(lines)


async def test_two_replays_at_once_store_each_line_once(parley: Served, excerpt: Path) -> None:
    lines = read_log(excerpt)
    plan = make_plan(lines, {}, "both")
    one, other = await asyncio.gather(play(parley, plan, "both"), play(parley, plan, "both"))
    assert one.conversation_id == other.conversation_id
    history, _ = await read(parley, plan, one)
    assert list(stored_lines(history)) == [line.raw for line in lines]


def test_a_killed_process_is_continued_by_the_next(parley: Served, tmp_path: Path) -> None:
    file = tmp_path / "made.raw.txt"
    file.write_text("".join(f"[12:00] <nick{n % 9}> line {n}\n" for n in range(500)))
    process = subprocess.Popen(
        [sys.executable, "-m", "thin_api", "replay", str(file), "--base-url", parley.url],
        env=os.environ | {"PARLEY_JWT_SECRET": str(parley.settings.jwt_secret)},
        stderr=subprocess.DEVNULL,
    )

    def count() -> int:
        row = parley.connection.execute(
            "select count(*) from chat.messages where type = 'text'"
        ).fetchone()
        return int(row[0]) if row else 0

    try:
        wait_for(lambda: count() > 50, "the replay to be under way")
    finally:
        process.kill()
        process.wait()
    assert count() < 500
    assert run(parley, file, "--verify") == 0
    assert count() == 500


def test_verify_fails_when_somebody_else_has_spoken(
    parley: Served, write_log: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_log("[12:00] <a> one", "[12:00] <b> two")
    assert run(parley, file) == 0
    parley.connection.execute(
        "select api.must(api.send_message_atomic(m.conversation_id, m.user_id, 'three'))"
        " from chat.members m where m.role = 'owner'"
    )
    assert run(parley, file, "--verify") == 1
    assert "after the log: log None, stored 'three'" in capsys.readouterr().out


def test_the_running_server_is_found_by_its_address(parley: Served, excerpt: Path) -> None:
    args = argparse.ArgumentParser()
    replay.add_arguments(args)
    assert replay.run(args.parse_args([str(excerpt), "--verify"]), parley.settings) == 0


def test_without_a_server_one_runs_for_the_duration(
    fresh_database: str, write_log: Callable[..., Path], clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("DATABASE_URL", fresh_database)
    clean_environment.setenv("PARLEY_JWT_SECRET", SECRET)
    clean_environment.setenv("PARLEY_PORT", "1")  # where nobody listens
    file = write_log("[12:00] <a> one", "[12:00] <b> two")
    assert main(["replay", str(file), "--verify"]) == 0


def test_a_server_of_its_own_goes_with_a_killed_replay(
    fresh_database: str, tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("DATABASE_URL", fresh_database)
    clean_environment.setenv("PARLEY_JWT_SECRET", SECRET)
    clean_environment.setenv("PARLEY_PORT", "1")
    file = tmp_path / "made.raw.txt"
    file.write_text("[12:00] <a> x\n" * 5000)
    with connect_database(fresh_database, None) as connection:

        def one(query: str) -> int:
            row = connection.execute(query).fetchone()
            return int(row[0]) if row else 0

        process = subprocess.Popen(
            [sys.executable, "-m", "thin_api", "replay", str(file)], stderr=subprocess.DEVNULL
        )
        try:
            wait_for(lambda: one("select count(*) from chat.messages") > 9, "the replay")
        finally:
            process.kill()
            process.wait()
        serving = """select count(*) from pg_stat_activity
                      where datname = current_database() and application_name like 'parley%'"""
        wait_for(lambda: one(serving) == 0, "the server to go")


def test_a_server_that_does_not_start_is_told(
    write_log: Callable[..., Path],
    clean_environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clean_environment.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    clean_environment.setenv("PARLEY_PORT", "1")
    assert main(["replay", str(write_log("[12:00] <a> one"))]) == 2
    clean_environment.setenv("PARLEY_JWT_SECRET", "too short")
    assert main(["replay", str(write_log("[12:00] <a> one"))]) == 2
    assert "PARLEY_JWT_SECRET" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(parley: Served, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(parley, tmp_path / "none.raw.txt")


async def test_the_whole_logs_are_stored_line_for_line(
    fresh_database: str, whole_logs: list[Path], clean_environment: pytest.MonkeyPatch
) -> None:
    settings = settings_for(fresh_database, port=1)  # where nobody listens: one of our own
    clean_environment.setenv("DATABASE_URL", fresh_database)
    clean_environment.setenv("PARLEY_JWT_SECRET", SECRET)

    async def replay_one(path: Path, url: str) -> list[str]:
        lines = read_log(path)
        plan = make_plan(lines, read_answers(annotation_path(path)), path.name)
        async with connect(url, 4) as crowd:
            conversation = await Conversation.open(
                plan, crowd, Tokens(settings), key=path.name, title=path.name
            )
            await conversation.play(lambda _: None)
            history, members = await conversation.history(), await conversation.members()
        return list(differences(lines, plan, history, members))

    async with find_server(None, settings) as url:
        found = await asyncio.gather(*(replay_one(path, url) for path in whole_logs))
    assert found == [[]] * len(whole_logs)
    with connect_database(fresh_database, None) as connection:
        assert violations(connection) == []
