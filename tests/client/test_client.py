"""What the client makes of a server that sends, fails and comes back as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.client.fake import FakeServer, Session, Socket, refusal, take
from tests.client.support import HERE, ME, OTHER, THERE, Json, Log
from tests.support import PATIENCE
from thin_api.client import Client, Frame, RefusedError, UnauthenticatedError
from thin_api.client.client import LONGEST_WAIT, MOST_CURSORS, PAGE, SHORTEST_WAIT


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """Yield a server that does what we say."""
    async with FakeServer().running() as server:
        yield server


@pytest.fixture
def log(server: FakeServer) -> Log:
    """Return a log of five messages, known to the server."""
    log = server.log(Log())
    for number in range(1, 6):
        log.send(f"message {number}")
    return log


DESK = "00000000-0000-4000-8000-00000000de5c"
TYPING = {"type": "typing", "conversation_id": HERE, "user_id": OTHER}


def here(last_seq: int, **more: int) -> Json:
    return {"conversation_id": HERE, "last_seq": last_seq, **more}


def session(*frames: Json, at: int = 0, ends: int | None = None) -> Session:
    """Greet, send frames, and stay or close with a code."""

    async def serve(socket: Socket) -> None:
        await socket.ready(here(at))
        await socket.send(*frames)
        await (socket.stay() if ends is None else socket.close(ends))

    return serve


def seqs(frames: list[Frame]) -> list[int]:
    return [frame["seq"] for frame in frames]


def contents(client: Client) -> list[str]:
    return [one["content"] for one in client.store.messages(HERE)]


async def test_it_says_hello_and_follows_what_happens_from_now(
    server: FakeServer, log: Log
) -> None:
    server.sessions = [session(log.live(4), log.live(5), at=3)]
    async with server.client() as client:
        assert await take(client, 2) == [log.live(4), log.live(5)]
        assert client.connected.is_set()
        assert contents(client) == ["message 4", "message 5"]
    assert server.hellos == [{"type": "hello", "token": "token 1", "cursors": {}}]
    assert server.requests == []


async def test_a_lost_connection_goes_on_at_the_cursors(server: FakeServer, log: Log) -> None:
    server.sessions = [
        session(log.live(1), log.live(2), ends=1012),
        session(log.live(2), log.live(3), at=3),
    ]
    async with server.client() as client:
        assert seqs(await take(client, 3)) == [1, 2, 3]
    assert [hello["cursors"] for hello in server.hellos] == [{}, {HERE: 2}]


async def test_cursors_of_an_earlier_client_are_gone_on_from(server: FakeServer, log: Log) -> None:
    server.sessions = [session(log.live(3), at=3)]
    async with server.client(cursors={HERE: 2}) as client:
        assert seqs(await take(client, 1)) == [3]
    assert server.hellos[0]["cursors"] == {HERE: 2}


async def test_a_frame_that_comes_twice_is_handed_out_once(server: FakeServer, log: Log) -> None:
    server.sessions = [session(*(log.live(seq) for seq in (1, 1, 2, 1, 2, 3)))]
    async with server.client() as client:
        assert seqs(await take(client, 3)) == [1, 2, 3]


async def test_a_gap_is_filled_from_the_log(server: FakeServer, log: Log) -> None:
    server.sessions = [session(log.live(1), log.live(4))]
    async with server.client() as client:
        assert seqs(await take(client, 5)) == [1, 2, 3, 4, 5]
    (asked,) = server.requests
    assert asked.url.path == f"/v1/conversations/{HERE}/changes"
    assert dict(asked.url.params) == {"after_seq": "1", "limit": str(PAGE)}
    assert asked.headers["Authorization"] == "Bearer token 1"


async def test_a_gap_of_many_pages_is_filled_in_order(server: FakeServer) -> None:
    log = server.log(Log())
    for _ in range(2 * PAGE + 9):
        log.send()
    server.sessions = [session(log.live(log.last_seq), log.live(1))]
    async with server.client(cursors={HERE: 0}) as client:
        assert seqs(await take(client, log.last_seq)) == list(range(1, log.last_seq + 1))
    assert len(server.requests) == 3


async def test_a_log_that_is_behind_is_asked_again(server: FakeServer, log: Log) -> None:
    server.sessions = [session(log.live(3))]
    server.answers = [log.changes(0, as_of=0), log.changes(0, as_of=1)]
    async with server.client(cursors={HERE: 0}) as client:
        assert seqs(await take(client, 3)) == [1, 2, 3]
    assert server.pauses == [SHORTEST_WAIT]


async def test_an_expired_token_is_replaced(server: FakeServer, log: Log) -> None:
    server.sessions = [session(log.live(1), ends=4401), session(log.live(2), at=2)]
    async with server.client() as client:
        assert seqs(await take(client, 2)) == [1, 2]
    assert [hello["token"] for hello in server.hellos] == ["token 1", "token 2"]


async def test_a_token_is_kept_while_it_is_good(server: FakeServer, log: Log) -> None:
    server.sessions = [session(log.live(1), ends=1012), session(log.live(2), at=2)]
    async with server.client() as client:
        await take(client, 2)
    assert server.tokens == 1


async def test_a_token_never_taken_is_not_tried_again(server: FakeServer) -> None:
    async def refuse(socket: Socket) -> None:
        await socket.send({"type": "error", "error": "unauthenticated", "message": "bad key"})
        await socket.close(4401)

    server.sessions = [refuse]
    async with server.client() as client:
        with pytest.raises(UnauthenticatedError, match="bad key"):
            await take(client, 1)
    assert server.tokens == 1


async def test_the_token_may_come_from_a_coroutine(server: FakeServer) -> None:
    async def token() -> str:
        return "fetched"

    server.sessions = [session(TYPING)]
    async with Client(server.url, token) as client:
        await take(client, 1)
    assert server.hellos[0]["token"] == "fetched"


async def test_it_waits_longer_each_time_and_starts_over_after_a_success(
    server: FakeServer, log: Log
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) in (7, 9):
            server.sessions = [session(log.live(len(pauses)), at=9, ends=1012)]

    for _ in range(5):
        log.send()
    async with server.client(cursors={HERE: 6}, sleep=sleep) as client:
        await take(client, 3)
    doubling = [min(LONGEST_WAIT, SHORTEST_WAIT * 2**n) for n in range(7)]
    assert pauses[6] == LONGEST_WAIT
    assert pauses == [*doubling, SHORTEST_WAIT, 2 * SHORTEST_WAIT]


async def test_a_wait_is_a_random_part(server: FakeServer, log: Log) -> None:
    chances = iter([0.0, 0.25, 0.5])
    server.sessions = [session(log.live(n), at=n, ends=1012) for n in (1, 2, 3, 4)]
    async with server.client(chance=lambda: next(chances), cursors={HERE: 0}) as client:
        await take(client, 4)
    assert server.pauses == [0.0, 0.25 * SHORTEST_WAIT, 0.5 * SHORTEST_WAIT]


async def test_a_server_that_has_too_much_to_do_is_given_more_time(
    server: FakeServer, log: Log
) -> None:
    server.sessions = [session(log.live(n), at=n, ends=1013) for n in (1, 2, 3, 4)]
    async with server.client(cursors={HERE: 0}) as client:
        await take(client, 4)
    assert server.pauses == [SHORTEST_WAIT * 2**n for n in range(3)]


async def test_it_tells_of_its_connection(server: FakeServer, log: Log) -> None:
    def report(what: str) -> None:
        reports.append((what, client.connected.is_set()))

    reports: list[tuple[str, bool]] = []
    server.sessions = [session(log.live(1), ends=1012), session(log.live(2), at=2)]
    async with server.client(report=report) as client:
        await take(client, 2)
    first, (lost, connected), back = reports
    assert (first, back) == (("connected", True), ("connected", True))
    assert "1012" in lost
    assert "again in 0.5 s" in lost
    assert not connected


async def test_a_server_that_is_away_is_waited_for(server: FakeServer) -> None:
    async def refuse(seconds: float) -> None:
        raise TimeoutError  # enough

    async with Client("http://127.0.0.1:1", lambda: "", sleep=refuse) as client:
        with pytest.raises(TimeoutError):
            await take(client, 1)
        assert not client.connected.is_set()


async def test_after_a_reset_the_store_is_fetched_again_as_far_back_as_it_went(
    server: FakeServer,
) -> None:
    log = server.log(Log())
    for _ in range(3 * PAGE):
        log.send()
    first = log.ids[PAGE - 1]

    async def serve(socket: Socket) -> None:
        await socket.ready(here(PAGE - 1))
        await socket.send(log.live(PAGE))
        last = log.edit(first, "edited unseen")["seq"]
        await socket.send({"type": "reset", "conversation_id": HERE, "last_seq": last})
        await socket.send(log.send("the next"))
        await socket.stay()

    server.sessions = [serve]
    async with server.client() as client:
        assert await take(client, 1) == [log.live(PAGE)]
        (reset,) = await take(client, 1)
        assert reset["type"] == "reset"
        have = client.store.messages(HERE)
        assert have == list(log.states().values())[-len(have) :]
        assert have[0]["seq"] <= PAGE
        assert await take(client, 1) == [log.live(log.last_seq)]
    assert len(server.requests) == 3


async def test_what_was_purged_goes_with_a_reset(server: FakeServer, log: Log) -> None:
    server.sessions = [
        session(*(log.live(n) for n in (1, 2, 3)), ends=1012),
        session({"type": "reset", "conversation_id": HERE, "last_seq": 5}, at=5),
    ]
    page = log.messages()
    server.answers = [page | {"messages": page["messages"][2:]}]
    async with server.client() as client:
        assert [one["type"] for one in await take(client, 4)][-1] == "reset"
        assert contents(client) == ["message 3", "message 4", "message 5"]


async def test_a_gap_too_wide_for_the_log_is_a_reset(server: FakeServer, log: Log) -> None:
    server.sessions = [session(log.live(1), log.live(5), TYPING)]
    server.answers = [log.changes(4) | {"changes": [], "reset": True, "last_seq": 4}]
    async with server.client() as client:
        one, reset, five, _ = await take(client, 4)
        assert (one["seq"], five["seq"]) == (1, 5)
        assert reset == {"type": "reset", "conversation_id": HERE, "last_seq": 4}
        assert contents(client) == [f"message {n}" for n in (1, 2, 3, 4, 5)]
    assert len(server.requests) == 2


async def test_a_conversation_that_comes_while_we_listen_is_followed_from_its_first_frame(
    server: FakeServer,
) -> None:
    created = {"type": "conversation_created", "conversation_id": HERE, "seq": 0}
    log, other = Log(), Log(THERE)
    for _ in range(7):
        other.send()
    frames = [created, log.send(), created, log.send(), other.live(6), other.live(7)]

    async def serve(socket: Socket) -> None:
        await socket.ready()
        await socket.send(*frames)
        await socket.stay()

    server.sessions = [serve]
    async with server.client() as client:
        assert seqs(await take(client, 5)) == [0, 1, 2, 6, 7]
    assert server.requests == []


async def test_a_conversation_that_came_while_we_were_away_is_read_from_where_we_joined(
    server: FakeServer, log: Log
) -> None:
    async def joined(socket: Socket) -> None:
        await socket.ready(here(5, joined_seq=3), {"conversation_id": THERE, "last_seq": 0})
        await socket.stay()

    async def before(socket: Socket) -> None:
        await socket.ready({"conversation_id": THERE, "last_seq": 0})
        await socket.close(1012)

    server.sessions = [before, joined]
    async with server.client() as client:
        assert seqs(await take(client, 3)) == [3, 4, 5]


async def test_conversations_may_begin_further_back(server: FakeServer, log: Log) -> None:
    server.sessions = [session(at=5)]
    async with server.client(since=2) as client:
        assert seqs(await take(client, 3)) == [3, 4, 5]


async def test_a_gap_does_not_hide_that_more_is_missing(server: FakeServer) -> None:
    log = server.log(Log())
    for _ in range(3 * PAGE):
        log.send()
    server.sessions = [session(at=log.last_seq)]
    async with server.client(since=0) as client:
        client.store.conversation(HERE).begin(0)
        client.store.apply(log.live(PAGE + 9))
        client.store.conversation(HERE).left = True  # its cursor is not told
        assert seqs(await take(client, log.last_seq)) == list(range(1, log.last_seq + 1))


async def test_cursors_that_do_not_fit_into_a_hello_are_read_from_the_log(
    server: FakeServer, log: Log
) -> None:
    many = {f"{n:08}": 0 for n in range(MOST_CURSORS)}

    async def serve(socket: Socket) -> None:
        await socket.ready(here(5))
        await socket.stay()

    server.sessions = [serve]
    async with server.client(cursors=many | {HERE: 3}) as client:
        assert seqs(await take(client, 2)) == [4, 5]
    assert server.hellos[0]["cursors"] == many


def at_desk(*frames: Json, ends: int | None = None, desk_id: str | None = DESK) -> Session:
    """Greet an agent, send frames, and stay or close with a code."""

    async def serve(socket: Socket) -> None:
        await socket.ready(desk_id=desk_id)
        await socket.send(*frames)
        await (socket.stay() if ends is None else socket.close(ends))

    return serve


async def test_conversations_of_the_inbox_are_followed_across_connections(
    server: FakeServer, log: Log
) -> None:
    server.sessions = [at_desk(log.live(4), ends=1012), at_desk(log.live(5))]
    async with server.client() as client:
        assert seqs(await take(client, 2)) == [4, 5]
        assert client.store.desk_id == DESK
    assert server.hellos[1]["cursors"] == {HERE: 4}
    assert server.requests == []


async def test_who_is_at_the_desk_no_more_leaves_its_conversations(
    server: FakeServer, log: Log
) -> None:
    gone = {"type": "desk_changed", "desk_id": None}
    server.sessions = [at_desk(log.live(5), gone), at_desk(desk_id=None)]
    async with server.client() as client:
        assert (await take(client, 2))[1] == gone
        assert client.store.conversation(HERE).left
        assert client.store.desk_id is None


async def test_who_came_back_to_no_desk_leaves_its_conversations(
    server: FakeServer, log: Log
) -> None:
    pong = {"type": "typing", "conversation_id": THERE, "user_id": OTHER}
    server.sessions = [at_desk(log.live(5), ends=1012), at_desk(pong, desk_id=None)]
    async with server.client() as client:
        await take(client, 2)
        assert client.store.conversation(HERE).left


async def test_when_the_server_lost_sight_the_inbox_is_looked_at(
    server: FakeServer, log: Log
) -> None:
    blind = {"type": "reset", "desk_id": DESK}
    server.sessions = [at_desk(log.live(2), blind)]
    async with server.client() as client:
        frames = await take(client, 5)
        assert frames[1] == blind
        assert seqs([frames[0], *frames[2:]]) == [2, 3, 4, 5]


async def test_what_the_inbox_has_that_no_hello_holds_is_read_from_the_log(
    server: FakeServer, log: Log
) -> None:
    for number in range(2 * PAGE):
        log.send(f"more {number}")
    many = {f"{n:08}": 0 for n in range(MOST_CURSORS)}
    server.sessions = [at_desk()]
    async with server.client(cursors=many | {HERE: 3}) as client:
        assert seqs(await take(client, 2 * PAGE + 2)) == list(range(4, 2 * PAGE + 6))


async def test_a_merged_conversation_is_gone_on_with_as_the_survivor(
    server: FakeServer, log: Log
) -> None:
    other = Log(THERE)
    other.send("old")
    merged = {
        "type": "reset",
        "conversation_id": THERE,
        "last_seq": 4,
        "merged_into": HERE,
    }
    server.sessions = [at_desk(other.live(1), merged, log.live(5))]
    async with server.client() as client:
        one, told, reset, five = await take(client, 4)
        assert (one["conversation_id"], told) == (THERE, merged)
        assert reset == {"type": "reset", "conversation_id": HERE, "last_seq": 4}
        assert five["seq"] == 5
        assert THERE not in client.store.conversations
        assert contents(client) == [f"message {n}" for n in (1, 2, 3, 4, 5)]


async def test_a_log_that_turns_out_to_be_the_survivors_is_gone_on_with_there(
    server: FakeServer, log: Log
) -> None:
    server.sessions = [at_desk()]
    server.answers = [log.changes(0)]
    many = {f"{n:08}": 0 for n in range(MOST_CURSORS)}
    async with server.client(cursors=many | {THERE: 0}) as client:
        frames = await take(client, 2)
        assert [one["type"] for one in frames] == ["reset"] * 2
        assert frames[0]["merged_into"] == HERE
        assert THERE not in client.store.conversations
        assert contents(client) == [f"message {n}" for n in (1, 2, 3, 4, 5)]


async def test_a_conversation_we_lost_is_left(server: FakeServer, log: Log) -> None:
    lost = {"type": "error", "error": "not_a_member", "conversation_id": HERE, "message": "no"}

    async def without(socket: Socket) -> None:
        await socket.ready()
        await socket.send({"type": "pong"}, {"type": "error", "error": "validation_error"})
        await socket.stay()

    server.sessions = [session(log.live(1), lost, ends=1012), without]
    async with server.client() as client:
        assert [one["type"] for one in await take(client, 3)] == [
            "message_created",
            "error",
            "error",
        ]
        assert contents(client) == ["message 1"]
    assert [hello["cursors"] for hello in server.hellos] == [{}, {}]


async def test_a_deleted_conversation_is_told_and_forgotten(server: FakeServer, log: Log) -> None:
    deleted = {"type": "conversation_deleted", "conversation_id": HERE}
    server.sessions = [session(log.live(1), deleted, deleted)]
    async with server.client() as client:
        assert (await take(client, 3))[1:] == [deleted, deleted]
        assert client.store.conversations == {}


async def test_being_removed_is_leaving_and_being_added_is_coming_back(
    server: FakeServer, log: Log
) -> None:
    removed = {"type": "member_removed", "conversation_id": HERE, "seq": 1, "user_ids": [ME]}
    added = removed | {"type": "member_added", "seq": 2}
    server.sessions = [session(removed, added)]
    async with server.client() as client:
        await take(client, 1)
        assert client.store.cursors() == {}
        await take(client, 1)
        assert client.store.cursors() == {HERE: 2}


async def test_what_waits_when_we_are_out_is_handed_out(server: FakeServer, log: Log) -> None:
    async def without(socket: Socket) -> None:
        await socket.ready()
        await socket.stay()

    server.sessions = [without]
    async with server.client(cursors={HERE: 0}) as client:
        client.store.apply(log.live(3))
        assert await take(client, 1) == [log.live(3)]
    assert server.requests == []


async def test_an_answer_to_our_frame_does_not_take_us_out(server: FakeServer, log: Log) -> None:
    answer = {"type": "error", "error": "not_a_member", "conversation_id": HERE, "request": "read"}
    server.sessions = [session(log.live(1), answer)]
    async with server.client() as client:
        await take(client, 2)
        assert client.store.cursors() == {HERE: 1}


@pytest.mark.parametrize("what", ["gap", "reset"])
async def test_what_may_not_be_read_any_more_ends_the_wait(
    server: FakeServer, log: Log, what: str
) -> None:
    reset = {"type": "reset", "conversation_id": HERE, "last_seq": 4}
    server.sessions = [session(*([] if what == "gap" else [reset]), log.live(5), TYPING)]
    server.answers = [refusal(403, "not_a_member")]
    async with server.client(cursors={HERE: 1}) as client:
        frames = await take(client, 2 if what == "gap" else 3)
        assert frames[-2:] == [log.live(5), TYPING]
        assert contents(client) == ["message 5"]
    assert len(server.requests) == 1


async def test_a_refusal_nobody_expected_is_told(server: FakeServer, log: Log) -> None:
    server.sessions = [session(log.live(5))]
    server.answers = [refusal(500, "internal_error")]
    async with server.client(cursors={HERE: 1}) as client:
        with pytest.raises(RefusedError, match="internal_error"):
            await take(client, 1)
        assert seqs(await take(client, 4)) == [2, 3, 4, 5], "trying again is possible"


async def test_stopping_and_going_on_loses_nothing(server: FakeServer, log: Log) -> None:
    async def serve(socket: Socket) -> None:
        await socket.ready(here(0))
        await socket.send(log.live(1), log.live(3))
        await released.wait()
        await socket.send(log.live(4))
        await socket.stay()

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.set()
        await released.wait()
        return httpx.Response(200, json=log.changes(1, as_of=3))

    asked, released = asyncio.Event(), asyncio.Event()
    server.sessions = [serve]
    async with server.client(transport=httpx.MockTransport(answer)) as client:
        assert seqs(await take(client, 1)) == [1]
        stopped = asyncio.create_task(take(client, 1))
        await asked.wait()
        stopped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopped
        released.set()
        assert seqs(await take(client, 1)) == [2]
        assert seqs(await take(client, 2)) == [3, 4]


async def test_a_send_is_repeated_with_its_key_until_it_is_answered(
    server: FakeServer, log: Log
) -> None:
    server.answers = [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("no answer"),
        httpx.Response(503, headers={"Retry-After": "7"}),
        httpx.Response(502, text="<html>"),
    ]
    async with server.client() as client:
        message = await client.send(HERE, "hello", type="notice")
        assert contents(client) == ["hello"]
        assert client.store.messages(HERE) == [message]
    bodies = [json.loads(one.content) for one in server.requests]
    assert bodies == [bodies[0]] * 5
    assert bodies[0] == {
        "content": "hello",
        "type": "notice",
        "client_message_id": message["client_message_id"],
    }
    assert server.pauses == [0.5, 1.0, 7.0, 4.0]


async def test_a_send_that_was_stored_although_its_answer_was_lost_is_there_once(
    server: FakeServer, log: Log
) -> None:
    server.sessions = [session(at=5)]
    async with server.client() as client:
        server.answers = [httpx.ReadError("lost")]
        log.send("hello", key="k", sender=ME)
        message = await client.send(HERE, "hello", client_message_id="k")
        assert message["seq"] == 6
        assert contents(client) == ["hello"]


async def test_a_message_on_its_way_is_shown_and_met_by_its_frame(
    server: FakeServer, log: Log
) -> None:
    async def serve(socket: Socket) -> None:
        await socket.ready(here(5))
        await socket.send(TYPING)
        await sending.wait()
        await socket.send(log.send("hello", key="k", sender=ME))
        await socket.stay()

    async def answer(request: httpx.Request) -> httpx.Response:
        sending.set()
        await asyncio.Event().wait()
        raise AssertionError

    sending = asyncio.Event()
    server.sessions = [serve]
    async with server.client(transport=None) as client:
        client._http = httpx.AsyncClient(base_url=server.url, transport=httpx.MockTransport(answer))
        await take(client, 1)
        send = asyncio.create_task(client.send(HERE, "hello", client_message_id="k"))
        await sending.wait()
        assert [one["seq"] for one in client.store.messages(HERE)] == [None]
        await take(client, 1)
        assert [one["seq"] for one in client.store.messages(HERE)] == [6]
        send.cancel()


async def test_a_refused_send_is_an_error_and_stays_to_be_seen(
    server: FakeServer, log: Log
) -> None:
    server.answers = [refusal(403, "blocked")]
    async with server.client() as client:
        with pytest.raises(RefusedError) as caught:
            await client.send(HERE, "hello")
        assert (caught.value.status, caught.value.code) == (403, "blocked")
        assert [one["error"] for one in client.store.messages(HERE)] == ["blocked"]
    assert len(server.requests) == 1


async def test_requests_get_a_new_token_when_theirs_has_expired(
    server: FakeServer, log: Log
) -> None:
    async with server.client() as client:
        await client.send(HERE, "one")
        server.answers = [refusal(401, "unauthenticated")]
        await client.send(HERE, "two")
        server.answers = [refusal(401, "unauthenticated"), refusal(401, "unauthenticated")]
        with pytest.raises(UnauthenticatedError):
            await client.send(HERE, "three")
    sent = [one.headers["Authorization"] for one in server.requests]
    assert sent == [f"Bearer token {n}" for n in (1, 1, 2, 2, 3)]


async def test_two_requests_with_one_expired_token_get_one_new_token(
    server: FakeServer, log: Log
) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] == "Bearer token 1" and log.last_seq > before:
            await both.wait()
            return refusal(401, "unauthenticated")
        message = log.send(json.loads(request.content)["content"], sender=ME)["message"]
        return httpx.Response(201, json={"success": True, "message": message})

    before, both = log.last_seq, asyncio.Barrier(2)
    async with server.client(transport=httpx.MockTransport(answer)) as client:
        await client.send(HERE, "one")
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(client.send(HERE, "two"), client.send(HERE, "three"))
    assert server.tokens == 2


async def test_an_answer_older_than_what_we_follow_is_looked_at_again(
    server: FakeServer, log: Log
) -> None:
    server.sessions = [session({"type": "error", "error": "anything"}, at=7)]
    message = log.send("hello", key="k", sender=ME)["message"]
    log.edit(message["id"], "edited elsewhere")
    async with server.client() as client:
        await take(client, 1)
        server.answers = [{"success": True, "message": message}]
        await client.send(HERE, "hello", client_message_id="k")
        assert contents(client) == ["edited elsewhere"]


async def test_a_page_older_than_what_we_follow_is_fetched_again(
    server: FakeServer, log: Log
) -> None:
    server.sessions = [session({"type": "error", "error": "anything"}, at=6)]
    log.edit(log.ids[0], "edited")
    async with server.client() as client:
        await take(client, 1)
        server.answers = [log.messages(as_of=5)]
        assert await client.load(HERE) is False
        assert contents(client)[0] == "edited"


async def test_pages_are_loaded_back_to_the_beginning(server: FakeServer) -> None:
    log = server.log(Log())
    for _ in range(PAGE + 1):
        log.send()
    async with server.client() as client:
        assert await client.load(HERE) is True
        assert await client.load(HERE, client.store.conversation(HERE).oldest) is False
        assert client.store.messages(HERE) == list(log.states().values())
        assert client.store.cursors() == {HERE: PAGE + 1}


async def test_typing_goes_through_the_socket_and_reading_by_http(
    server: FakeServer, log: Log
) -> None:
    heard: list[Json] = []

    async def serve(socket: Socket) -> None:
        await socket.ready(here(5))
        await socket.send(TYPING)
        heard.append(await socket.receive())
        await socket.send({"type": "typing", "conversation_id": HERE, "user_id": ME})
        await socket.stay()

    server.sessions = [serve]
    async with server.client() as client:
        await client.typing(HERE)  # not connected: nobody is told
        await take(client, 1)
        await client.typing(HERE)
        await take(client, 1)
        server.answers = [{"success": True, "unread_count": 2}]
        assert await client.read(HERE, 3) == 2
    assert heard == [{"type": "typing", "conversation_id": HERE}]
    assert json.loads(server.requests[0].content) == {"seq": 3}


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ws://127.0.0.1", ""])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url, lambda: "")
