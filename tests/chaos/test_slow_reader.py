"""A client that stops reading: it is closed, and resumes without a hole."""

import asyncio
from collections.abc import Callable

import uvloop
from psycopg.types.json import Jsonb

from tests.chaos.play import eventually
from tests.chaos.readers import Reader, reading
from tests.chaos.stage import Server
from tests.chaos.verdict import judge, read_truth
from tests.support import connect, new_group, new_users, succeed

LONG = "x" * 16_000
BATCH, BATCHES = 25, 48  # more than the kernel holds for somebody who does not read
TOO_SLOW = 1013


def test_client_that_does_not_read_is_closed_and_resumes_right(
    dsn: str, serve: Callable[..., list[Server]]
) -> None:
    (server,) = serve("one", PARLEY_SOCKET_BACKLOG="65536")
    with connect(dsn) as connection:
        ada, bo = new_users(connection, 2)
        group = new_group(connection, ada, bo)

    def write() -> None:
        message = {"p_conversation_id": group, "p_actor_id": ada, "p_content": LONG}
        with connect(dsn) as connection:
            for _ in range(BATCHES):
                succeed(connection, "send_messages_atomic", messages=Jsonb([message] * BATCH))

    slow, quick = (Reader(bo, [server], name) for name in ("slow", "quick"))

    async def play() -> None:
        async with reading([slow, quick]), asyncio.timeout(60):
            slow.rest()
            await asyncio.to_thread(write)
            await eventually(lambda: server.told("socket_closed"), "the slow one to be closed")
            slow.resume()
            for reader in (slow, quick):
                reader.aim_at({group: BATCH * BATCHES})
                await reader.there.wait()
                await reader.ping()

    uvloop.run(play())
    with connect(dsn, None) as login:
        truth = read_truth(login)
    for reader in (slow, quick):
        assert list(judge(bo, reader.epochs, truth, resynced=False)) == []
    assert [epoch.code for epoch in slow.epochs[:-1]] == [TOO_SLOW]
    assert len(quick.epochs) == 1
