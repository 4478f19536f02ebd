"""No socket loses, doubles or reorders anything, whatever breaks (see play.py)."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from tests.chaos.play import Play, eventually, perform
from tests.chaos.stage import Server, Stage

Serve = Callable[..., list[Server]]

CUT_OFF = """
select count(pg_terminate_backend(a.pid))
  from pg_stat_activity a
 where a.application_name = 'parley listener' and a.datname = current_database()
"""
UNHINDERED = 5.0  # seconds; a lock held by what is frozen would take much longer
SHOWN = {
    "send over HTTP",
    "send in SQL",
    "send in a batch",
    "hold open and commit",
    "hold open and roll back",
    "add_members_atomic",
    "remove_member_atomic",
    "block_user_atomic",
    "create_conversation_atomic",
}


def ask(dsn: str, statement: str) -> int:
    """Ask the database, as somebody who may do anything, for a number."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return int(row[0]) if row else 0


async def until_attached(server: Server, times: int) -> None:
    await eventually(
        lambda: server.told("push_attached") >= times,
        f"{server.name} to listen for the {times}. time",
    )


def connections(play: Play) -> int:
    return sum(len(reader.epochs) for reader in play.readers)


def test_nothing_is_lost_when_all_is_well(dsn: str, serve: Serve) -> None:
    (server,) = serve("one")
    play = perform(dsn, [server], 0.25)
    kinds = {frame.kind for reader in play.readers for e in reader.epochs for frame in e.frames}
    assert not SHOWN - play.world.done.keys(), play.world.done
    assert play.world.withdrawn
    assert kinds >= {"skip", "message_edited", "reaction_added", "member_removed", "receipt"}
    assert connections(play) > 2 * len(play.readers)
    assert server.told("push_attached") == 1
    assert server.told("push_lost") == 0


def test_nothing_is_lost_when_listeners_are_cut_off(dsn: str, serve: Serve) -> None:
    (server,) = serve("one")
    cuts = [number / 10 for number in range(1, 10)]

    async def cut(play: Play) -> None:
        for number, share in enumerate(cuts, start=1):
            await play.world.reach(share)
            assert await asyncio.to_thread(ask, dsn, CUT_OFF) == 1
            await until_attached(server, number + 1)

    perform(dsn, [server], 0.15, cut)
    assert server.told("push_lost", reason="lost") == len(cuts)
    assert server.resyncs()["lost"] == len(cuts)


def test_nothing_is_lost_when_servers_are_killed(dsn: str, serve: Serve) -> None:
    one, other = servers = serve("one", "other")

    async def kill(play: Play) -> None:
        for share, killed in ((0.15, [one]), (0.4, [other]), (0.65, servers)):
            await play.world.reach(share)
            for server in killed:
                server.kill()
            if len(killed) == 1:
                await play.world.reach(share + 0.1)
            for server in killed:
                attached = server.told("push_attached")
                await asyncio.to_thread(server.start)
                await until_attached(server, attached + 1)

    play = perform(dsn, servers, 0.2, kill)
    assert [server.told("push_attached") for server in servers] == [3, 3]
    assert {epoch.server for reader in play.readers for epoch in reader.epochs} == {"one", "other"}


def test_nothing_is_lost_when_the_database_crashes(stage: Stage, dsn: str, serve: Serve) -> None:
    servers = serve("one", "other")

    async def crash(play: Play) -> None:
        for crashes, share in enumerate((0.3, 0.7), start=1):
            await play.world.reach(share)
            await asyncio.to_thread(stage.crash)
            assert ask_in_vain(dsn)
            await asyncio.to_thread(stage.recover)
            for server in servers:
                await until_attached(server, crashes + 1)

    play = perform(dsn, servers, 0.1, crash)
    assert any(refusal.startswith("SQL: ") for refusal in play.world.refused)
    for server in servers:
        assert server.told("push_lost", reason="lost") == 2
        assert server.told("push_attached") == 3


def ask_in_vain(dsn: str) -> bool:
    try:
        return not ask(dsn, "select 1")
    except psycopg.OperationalError:
        return True


@pytest.mark.parametrize("reason", [None, "backlog", "dropped"])
def test_nothing_is_lost_when_a_server_freezes(dsn: str, serve: Serve, reason: str | None) -> None:
    frozen, other = servers = serve("frozen", "other")
    if reason == "backlog":
        ask(dsn, "update chat.limits set listener_backlog = 200")

    async def freeze(play: Play) -> None:
        await play.world.reach(0.3)
        await asyncio.to_thread(frozen.freeze)
        # The others write as much as they like meanwhile.
        await play.world.reach(0.7)
        if reason == "dropped":
            ask(dsn, "update chat.limits set outbox_retention = '2 seconds'")
            await eventually(
                lambda: ask(dsn, "select count(*) from chat.listeners") == 1,
                "the listener to be forgotten",
            )
        assert frozen.is_frozen()
        frozen.thaw()
        if reason:
            await eventually(lambda: frozen.told("push_lost", reason=reason), reason)

    play = perform(dsn, servers, 0.05, freeze, write_to=[other])
    assert any(reader.epochs[-1].server == "frozen" for reader in play.readers)
    assert max(writer.slowest for writer in play.http) < UNHINDERED
    assert max(writer.slowest for writer in play.sql) < UNHINDERED
    assert not reason or frozen.resyncs()[reason] >= 1


def test_nothing_is_lost_by_several_processes(dsn: str, serve: Serve) -> None:
    (pair,) = serve("pair", PARLEY_WORKERS="2")
    (single,) = serve("single")
    perform(dsn, [pair, single], 0.15)
    assert [pair.told("push_attached"), single.told("push_attached")] == [2, 1]
