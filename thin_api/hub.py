"""The hub: takes events from the database's outbox and hands each to the sockets it concerns.

Who is in which conversation is kept in memory. It is read once when a socket opens, and from then
on corrected by the events themselves. A socket gets, for each conversation, every log number after
the one it was told it stands at (`last_seq` of `ready`), in order and once. When the hub loses
sight of the database, it forgets everything and opens each socket anew from where it stood.

An inbox is its desk's: sockets of agents get all that happens there after they were opened, and of
a conversation they gave a cursor for what they lack as well.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import orjson
import structlog

from thin_api import errors, frames, logs, metrics
from thin_api.db import Database, LogPage
from thin_api.errors import Failure
from thin_api.frames import (
    DEACTIVATED,
    DELETED,
    DESK_CHANGED,
    JOINING,
    LEAVING,
    RESET,
    RUN_DELTA,
    RUN_NEWS,
    RUN_QUEUED,
    Event,
    Frame,
    Snapshot,
)
from thin_api.listener import LOST, DroppedError, Listener, Look
from thin_api.settings import Settings
from thin_api.watches import Watch, Watches

log = structlog.get_logger(__name__)

# Seconds between looks while events keep coming: two milliseconds for each event of the last look,
# within these bounds. The busier the database, the more each look is worth.
PACE = 0.002
LONGEST_PACE = 0.02
PACE_PER_EVENT = 0.002
POLLS = (0.001, 0.002, 0.005, 0.01)  # while a writer is in flight and we may not sleep
# Seconds; a look now and then shows that we are alive, and confirms what we have.
LONGEST_SLEEP = 30.0
RECONNECT = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
READS_AT_ONCE = 4  # sockets being brought up to date share this many database connections
MOST_HELD = 2_000  # events kept back for a socket that is being brought up to date
ATTACH_TIMEOUT = 10.0

INTERNAL = 1011
UNAUTHENTICATED = 4401
NO_HELLO = 4408
TOO_SLOW = 1013

Cursors = Mapping[str, int]


class Sink(Protocol):
    """Where a subscriber's frames go."""

    kind: str

    def write(self, batch: list[Frame]) -> None:
        """Send frames now or soon, in order; never wait."""

    async def drained(self) -> None:
        """Wait until the client keeps up."""

    def close(self, code: int, reason: str) -> None:
        """End it."""


class Room:
    """One conversation as far as sockets here are concerned."""

    __slots__ = ("seq", "subscribers")

    def __init__(self) -> None:
        self.seq = 0  # of the last log event handed out
        self.subscribers: dict[Subscriber, int] = {}  # each with the number its part begins after


class Subscriber:
    """One open socket of one user."""

    __slots__ = (
        "desk_id",
        "desk_snapshot",
        "early",
        "held",
        "inbox",
        "outgoing",
        "reading",
        "rooms",
        "sink",
        "snapshot",
        "tenant_id",
        "user_id",
    )

    def __init__(self, user_id: str, sink: Sink) -> None:
        self.user_id = user_id
        self.sink = sink
        self.rooms: dict[str, Room] = {}
        self.tenant_id: str | None = None
        # Of an agent: the desk, what was visible when the user was read to be there, and those of
        # the rooms that are the desk's.
        self.desk_id: str | None = None
        self.desk_snapshot: Snapshot | None = None
        self.inbox: set[str] = set()
        self.reading = asyncio.Lock()  # what it is subscribed to, one after the other
        # What was visible when its conversations were read, and what happened meanwhile.
        self.snapshot: Snapshot | None = None
        self.early: list[Event] = []
        # Live frames that must wait until it is up to date; None: it is.
        self.held: list[Frame] | None = []
        self.outgoing: list[Frame] = []


class Hub:
    """All sockets of this process."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._users: dict[str, set[Subscriber]] = {}
        self._rooms: dict[str, Room] = {}
        self._desks: dict[str, set[Subscriber]] = {}  # sockets of agents, by tenant
        self._reading: set[Subscriber] = set()
        self._dirty: list[Subscriber] = []
        self._turn = asyncio.Semaphore(READS_AT_ONCE)
        self._attached = asyncio.Event()
        self._listener: Listener | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._transactions = 0
        self._rings = 0
        self._watches = Watches(self._attached.is_set)
        self.on_desk: Callable[[], None] = _nothing  # called when something happened in an inbox
        self.on_run: Callable[[], None] = _nothing  # called when somebody may wait for an answer

    # What sockets ask of it.

    async def enter(self, subscriber: Subscriber) -> None:
        """Add a socket, or raise the Failure that says why not."""
        try:
            async with asyncio.timeout(ATTACH_TIMEOUT):
                await self._attached.wait()
        except TimeoutError:
            raise errors.unavailable("events cannot be had now") from None
        sockets = self._users.setdefault(subscriber.user_id, set())
        if len(sockets) >= self._settings.sockets_per_user:
            raise Failure("rate_limited", "this user has too many sockets open", status=429)
        sockets.add(subscriber)
        metrics.SOCKETS.labels(subscriber.sink.kind).inc()

    async def start(self, subscriber: Subscriber, cursors: Cursors) -> None:
        """Send `ready`, what is missing after the cursors, and from then on what happens."""
        await _unless_it_fails(subscriber, self._start(subscriber, cursors))

    async def _start(self, subscriber: Subscriber, cursors: Cursors) -> None:
        result = await self._subscribe(subscriber)
        listed = result["conversations"]
        ready = {name: result[name] for name in ("user_id", "desk_id", "conversations")}
        subscriber.sink.write([frames.of({"type": "ready", **ready})])
        await subscriber.sink.drained()
        standing = {one["conversation_id"]: one["last_seq"] for one in listed}
        await self._catch_up(subscriber, cursors, standing)

    def close(self, subscriber: Subscriber) -> None:
        """Forget a socket; again does nothing."""
        sockets = self._users.get(subscriber.user_id, set())
        if subscriber not in sockets:
            return
        sockets.discard(subscriber)
        if not sockets:
            del self._users[subscriber.user_id]
        self._reading.discard(subscriber)
        for conversation_id in list(subscriber.rooms):
            self._leave(subscriber, conversation_id)
        self._unseat(subscriber)
        metrics.SOCKETS.labels(subscriber.sink.kind).dec()

    def watch(self, conversation_id: str) -> AbstractContextManager[Watch]:
        """Tell of news of a conversation's runs, to be read from the database."""
        return self._watches.open(conversation_id)

    def kick(self) -> None:
        """Look at the outbox now: this process has just committed something."""
        if self._listener is not None:
            self._listener.kick()

    # Following the outbox.

    async def run(self) -> None:
        """Follow the outbox for good, whatever becomes of the database meanwhile."""
        try:
            await self._run()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _run(self) -> None:
        tries = 0
        while True:
            listener: Listener | None = None
            try:
                listener = await Listener.attach(self._settings)
                tries = 0
                self._listener = listener
                self._attached.set()
                self._open_anew()
                log.info("push_attached")
                await self._follow(listener)
            except Exception as error:
                first_try = listener is not None or not tries
                if not isinstance(error, (DroppedError, *LOST)) and first_try:
                    logs.bug(log, error)
                self._lose("dropped" if isinstance(error, DroppedError) else "lost", error)
                if listener is None and first_try:
                    log.warning("push_not_attached", error=type(error).__name__)
            finally:
                self._attached.clear()
                self._listener = None
                if listener is not None:
                    await listener.close()
            delay = RECONNECT[min(tries, len(RECONNECT) - 1)]
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - spreads tries
            tries += 1

    async def _follow(self, listener: Listener) -> None:
        polls = 0
        pace = PACE
        looked = float("-inf")
        look = await listener.fetch()
        while True:
            now = time.perf_counter()
            polls = 0 if look.events else polls + 1
            wanted = len(look.events) * PACE_PER_EVENT if look.events else pace / 2
            pace = min(max(wanted, PACE), LONGEST_PACE)
            self._take(look, listener)
            if look.asleep:
                await _wait(listener.bell, LONGEST_SLEEP)
                look = listener.told() or await listener.wake()
            elif look.events or pace > PACE:
                # Not asleep at the first silence: those who ring queue for NOTIFY's lock.
                await asyncio.sleep(max(0.0, looked + pace - now))
                look = await listener.fetch()
            else:
                if polls > 1:
                    await _wait(listener.bell, POLLS[min(polls, len(POLLS)) - 1])
                look = await listener.sleep()
            looked = time.perf_counter()

    def _take(self, look: Look, listener: Listener) -> None:
        """Hand out what a look gave."""
        self._count_rings(look.transactions, listener)
        if look.missed:
            self._lose("backlog")
            self._open_anew()
            return
        if not look.events:
            return
        began = time.perf_counter()
        delivered = []
        for event in look.events:
            for subscriber in self._reading:
                _keep(event, subscriber.early, subscriber)
            delivered.append(self._dispatch(event))
        self._flush()
        if any(event.desk_id and event.type not in RUN_NEWS for event in look.events):
            self.on_desk()
        if any(event.type == RUN_QUEUED for event in look.events):
            self.on_run()
        spent = time.perf_counter() - began
        metrics.EVENTS.inc(len(look.events))
        metrics.FRAMES.inc(sum(delivered))
        for event, sockets in zip(look.events, delivered, strict=True):
            if not sockets:
                continue
            metrics.PUSH_SECONDS.observe(event.age + spent)
            if event.type == RUN_DELTA:
                continue  # an answer has hundreds; its run has a line of its own
            log.info(
                "event",
                type=event.type,
                conversation_id=event.conversation_id,
                seq=event.seq,
                message_id=event.message_id,
                sockets=sockets,
                ms=round((event.age + spent) * 1000, 2),
            )

    def _dispatch(self, event: Event) -> int:
        """Hand one event to everybody it concerns; to how many sockets."""
        if event.type == DEACTIVATED:
            for user_id in event.user_ids:
                for subscriber in list(self._users.get(user_id, ())):
                    subscriber.sink.close(UNAUTHENTICATED, "this user was deactivated")
            return 0
        conversation_id = event.conversation_id
        if conversation_id is None:
            if event.type == DESK_CHANGED:
                for sockets_of_one in self._users.values():
                    for subscriber in sockets_of_one:
                        self._ask_for_seat(subscriber, event)
            return 0
        if event.type in RUN_NEWS:
            self._watches.ring(conversation_id)
        if event.type in JOINING:
            for user_id in event.user_ids:
                for subscriber in self._users.get(user_id, ()):
                    if subscriber.snapshot is not None:
                        self._let_in(subscriber, subscriber.snapshot, event)
        room = self._rooms.get(conversation_id)
        sockets = 0 if room is None else self._give_all(room, event)
        if event.desk_id is not None:
            sockets += self._give_desk(event, room)
        if room is None:
            return sockets
        if event.type == RESET:
            self._number_anew(conversation_id, room, event)
        elif event.type == DELETED:
            for subscriber in list(room.subscribers):
                self._leave(subscriber, conversation_id)
        elif event.type == LEAVING:
            for user_id in event.user_ids:
                for subscriber in self._users.get(user_id, ()):
                    self._leave_at(subscriber, event)
        return sockets

    def _give_all(self, room: Room, event: Event) -> int:
        """Give an event to a whole room; this loop is what a busy server does most."""
        seq, frame, excluded = event.seq, event.frame, event.excluded
        dirty, sockets = self._dirty, 0
        for subscriber, after in room.subscribers.items():
            if seq is not None and seq <= after:
                continue
            if subscriber.held is not None or subscriber.user_id in excluded:
                sockets += self._give(subscriber, event)
                continue
            sockets += 1
            if not subscriber.outgoing:
                dirty.append(subscriber)
            subscriber.outgoing.append(frame)
        if seq is not None:
            room.seq = seq
        return sockets

    def _give_desk(self, event: Event, room: Room | None) -> int:
        """Give an event of an inbox to the agents who are not in its room and do not know it."""
        sockets = 0
        for subscriber in self._desks.get(event.desk_id or "", ()):
            if room is None or subscriber not in room.subscribers:
                sockets += self._give_news(subscriber, event)
        return sockets

    def _give_news(self, subscriber: Subscriber, event: Event) -> int:
        """Give an agent an event of the inbox that happened after the socket came to the desk."""
        seen = subscriber.desk_snapshot
        if event.desk_id != subscriber.desk_id or seen is None or seen.shows(event.xid):
            return 0
        return self._give(subscriber, event)

    def _number_anew(self, conversation_id: str, room: Room, event: Event) -> None:
        """Note that a log was numbered anew, or that it is part of another one now."""
        told = orjson.loads(event.frame.body)
        room.seq = told["last_seq"]
        if "merged_into" in told:
            for subscriber in list(room.subscribers):
                self._leave(subscriber, conversation_id)
                subscriber.inbox.discard(conversation_id)

    def _give(self, subscriber: Subscriber, event: Event) -> int:
        frame = event.frame_for(subscriber.user_id)
        if frame is None:
            return 0
        self._tell(subscriber, frame)
        return 1

    def _tell(self, subscriber: Subscriber, frame: Frame) -> None:
        """Send a frame with the next flush, or once the socket is up to date."""
        if subscriber.held is not None:
            _keep(frame, subscriber.held, subscriber)
            return
        if not subscriber.outgoing:
            self._dirty.append(subscriber)
        subscriber.outgoing.append(frame)

    def _flush(self) -> None:
        """Write what has gathered: one write a socket, however many events."""
        for subscriber in self._dirty:
            batch, subscriber.outgoing = subscriber.outgoing, []
            subscriber.sink.write(batch)
        self._dirty.clear()

    def _count_rings(self, transactions: int, listener: Listener) -> None:
        """Count transactions that had to ring the bell, and those that did not."""
        rings, listener.rings = listener.rings, 0
        metrics.DOORBELL.labels("rung").inc(rings)
        self._transactions += transactions
        self._rings += rings
        quiet = self._transactions - self._rings
        if quiet > 0:
            metrics.DOORBELL.labels("skipped").inc(quiet)
            self._transactions = self._rings = 0

    # Who gets what.

    async def _subscribe(self, subscriber: Subscriber) -> dict[str, Any]:
        """Read a socket's conversations and put it into their rooms, with no gap in between."""
        async with subscriber.reading:
            result, early = await self._read_subscriptions(subscriber)
            if not self._has(subscriber):
                return result
            snapshot = subscriber.snapshot = Snapshot(result["snapshot"])
            for one in result["conversations"]:
                self._join(subscriber, one["conversation_id"], one["last_seq"])
            subscriber.tenant_id = result["tenant_id"]
            self._seat(subscriber, result["desk_id"], snapshot)
            for event in early:
                self._repeat(subscriber, snapshot, event)
        return result

    async def _read_subscriptions(
        self, subscriber: Subscriber
    ) -> tuple[dict[str, Any], list[Event]]:
        """Read what a socket is to get, and the events of the time it takes.

        What they say is either in what was read, or comes after it.
        """
        async with self._turn:
            self._reading.add(subscriber)
            try:
                result = await self._read("list_subscriptions", p_actor_id=subscriber.user_id)
            finally:
                self._reading.discard(subscriber)
                early, subscriber.early = subscriber.early, []
        return result, early

    def _repeat(self, subscriber: Subscriber, snapshot: Snapshot, event: Event) -> None:
        """Do for one socket what _dispatch did for the others."""
        conversation_id = event.conversation_id
        if conversation_id is None:
            if event.type == DESK_CHANGED and not snapshot.shows(event.xid):
                self._ask_for_seat(subscriber, event)
            return
        concerned = subscriber.user_id in event.user_ids
        if event.type in JOINING and concerned:
            self._let_in(subscriber, snapshot, event)
        room = subscriber.rooms.get(conversation_id)
        if room is None:
            self._give_news(subscriber, event)
            return
        if event.seq is None:
            self._give(subscriber, event)
            if event.type == DELETED:
                self._leave(subscriber, conversation_id)
        elif event.seq > room.subscribers[subscriber]:
            self._give(subscriber, event)
            room.seq = max(room.seq, event.seq)
            if event.type == LEAVING and concerned:
                self._leave(subscriber, conversation_id)

    def _let_in(self, subscriber: Subscriber, snapshot: Snapshot, event: Event) -> None:
        """Let a socket into a conversation its user comes into, beginning with this event.

        An event that was visible when the user's conversations were read is old news: they may
        have been removed since.
        """
        if not snapshot.shows(event.xid):
            self._join(subscriber, event.conversation_id or "", (event.seq or 0) - 1)

    def _has(self, subscriber: Subscriber) -> bool:
        """Tell whether a socket is still open."""
        return subscriber in self._users.get(subscriber.user_id, ())

    def _join(self, subscriber: Subscriber, conversation_id: str, after: int) -> None:
        """Let a socket get a conversation's events after a number, unless it does already."""
        if conversation_id in subscriber.rooms:
            return
        room = self._rooms.get(conversation_id)
        if room is None:
            room = self._rooms[conversation_id] = Room()
        room.subscribers[subscriber] = after
        subscriber.rooms[conversation_id] = room

    def _leave_at(self, subscriber: Subscriber, event: Event) -> None:
        """Take a socket out of a conversation, unless it was read to be in it later than that."""
        room = subscriber.rooms.get(event.conversation_id or "")
        if room is not None and (event.seq or 0) > room.subscribers[subscriber]:
            self._leave(subscriber, event.conversation_id or "")

    def _leave(self, subscriber: Subscriber, conversation_id: str) -> None:
        room = subscriber.rooms.pop(conversation_id, None)
        if room is not None:
            room.subscribers.pop(subscriber, None)
            if not room.subscribers and self._rooms.get(conversation_id) is room:
                del self._rooms[conversation_id]

    # The desk.

    def _seat(self, subscriber: Subscriber, desk_id: str | None, snapshot: Snapshot) -> None:
        """Put a socket to its user's desk, if any: what is not in the snapshot is news to it."""
        self._unseat(subscriber)
        subscriber.desk_id, subscriber.desk_snapshot = desk_id, snapshot
        if desk_id is not None:
            self._desks.setdefault(desk_id, set()).add(subscriber)

    def _unseat(self, subscriber: Subscriber) -> None:
        """Take a socket from its desk."""
        seated = self._desks.get(subscriber.desk_id or "", set())
        seated.discard(subscriber)
        if not seated:
            self._desks.pop(subscriber.desk_id or "", None)
        subscriber.desk_id = None

    def _ask_for_seat(self, subscriber: Subscriber, event: Event) -> None:
        """Find out whether a socket's user is still, or now, of the desk of whom an event tells."""
        if subscriber.tenant_id == event.desk_id:
            self._begin(_unless_it_fails(subscriber, self._reseat(subscriber)))

    async def _reseat(self, subscriber: Subscriber) -> None:
        async with subscriber.reading:
            result, early = await self._read_subscriptions(subscriber)
            desk_id = result["desk_id"]
            if not self._has(subscriber) or desk_id == subscriber.desk_id:
                return
            self._seat(subscriber, desk_id, Snapshot(result["snapshot"]))
            self._tell(subscriber, frames.of({"type": DESK_CHANGED, "desk_id": desk_id}))
            for conversation_id in subscriber.inbox:
                self._leave(subscriber, conversation_id)
                self._tell(subscriber, _not_a_member(conversation_id))
            subscriber.inbox.clear()
            for event in early:
                if event.desk_id is not None and event.conversation_id is not None:
                    self._give_news(subscriber, event)
            self._flush()

    async def _enter_inbox(self, subscriber: Subscriber, conversation_id: str, seq: int) -> None:
        """Send what a cursor lacks of a conversation of the inbox, then put it into its room.

        Nobody has said where the log stands, so this goes on to wherever it ends. What came live
        meanwhile and was sent from the log is dropped.
        """
        try:
            while self._has(subscriber):
                seated = subscriber.desk_snapshot
                async with self._turn:
                    page = await self._database.changes(conversation_id, subscriber.user_id, seq)
                if page.is_reset or _is_elsewhere(page, conversation_id):
                    conversation_id = await self._tell_reset(subscriber, conversation_id, page)
                    seq = page.last_seq
                elif page.changes:
                    subscriber.sink.write(
                        [Frame(body, (conversation_id, number)) for number, body in page.changes]
                    )
                    seq = page.changes[-1][0]
                if seq >= page.last_seq and subscriber.desk_snapshot is seated:
                    break
                await subscriber.sink.drained()
        except Failure as failure:
            if failure.error not in ("not_a_member", "not_found"):
                raise
            subscriber.sink.write([_not_a_member(conversation_id)])
            return
        if not self._has(subscriber):
            return
        if subscriber.desk_id is None:  # left while we read
            subscriber.sink.write([_not_a_member(conversation_id)])
            return
        self._join(subscriber, conversation_id, seq)
        subscriber.inbox.add(conversation_id)
        if subscriber.held is not None:
            subscriber.held = [
                frame for frame in subscriber.held if not _is_told(frame, conversation_id, seq)
            ]

    async def _tell_reset(self, subscriber: Subscriber, conversation_id: str, page: LogPage) -> str:
        """Tell that a log must be fetched anew; the conversation's id, if it was merged another."""
        async with self._turn:
            text = await self._database.conversation(conversation_id, subscriber.user_id)
        survivor: str = orjson.loads(text)["conversation_id"] if text else conversation_id
        told = {"type": RESET, "conversation_id": conversation_id, "last_seq": page.last_seq}
        if survivor != conversation_id:
            told["merged_into"] = survivor
        metrics.RESYNCS.labels("reset").inc()
        subscriber.sink.write([frames.of(told)])
        return survivor

    # Bringing sockets up to date.

    async def _catch_up(
        self, subscriber: Subscriber, cursors: Cursors, standing: Mapping[str, int]
    ) -> None:
        """Send what is missing from each cursor to where its log stood; then let go."""
        for conversation_id, seq in cursors.items():
            last_seq = standing.get(conversation_id)
            if last_seq is None:
                if subscriber.desk_id is None:
                    subscriber.sink.write([_not_a_member(conversation_id)])
                else:
                    await self._enter_inbox(subscriber, conversation_id, seq)
                await subscriber.sink.drained()
            elif seq != last_seq:
                async for batch in self._missing(subscriber, conversation_id, seq, last_seq):
                    subscriber.sink.write(batch)
                    await subscriber.sink.drained()
        held, subscriber.held = subscriber.held or [], None
        if held:
            subscriber.sink.write(held)

    async def _missing(
        self, subscriber: Subscriber, conversation_id: str, after: int, last_seq: int
    ) -> AsyncIterator[list[Frame]]:
        """Read the log from a cursor up to a number, page by page."""
        while after != last_seq and self._has(subscriber):
            async with self._turn:
                try:
                    page = await self._database.changes(conversation_id, subscriber.user_id, after)
                except Failure as failure:
                    if failure.error == "not_found":
                        return  # deleted since it was listed, which is told live
                    if failure.error != "not_a_member":
                        raise
                    # It waits for live events of a conversation whose log it may not read any more.
                    raise errors.unavailable("membership changed meanwhile") from failure
            if page.is_reset:
                metrics.RESYNCS.labels("reset").inc()
                told = {"type": "reset", "conversation_id": conversation_id, "last_seq": last_seq}
                yield [frames.of(told)]
                return
            changes = [change for change in page.changes if change[0] <= last_seq]
            yield [Frame(body, (conversation_id, seq)) for seq, body in changes]
            if not page.changes:
                return
            after = min(page.changes[-1][0], last_seq)

    async def _read(self, function: str, **given: Any) -> dict[str, Any]:
        result: dict[str, Any] = orjson.loads(await self._database.call(function, given))
        if not result["success"]:
            status = await self._database.status(result["error"])
            raise Failure(
                result["error"], result["message"], details=result["details"], status=status or 500
            )
        return result

    def _lose(self, reason: str, error: Exception | None = None) -> None:
        """Give up all that is known: what happens from here on may be missed."""
        self._flush()
        self._watches.ring_all()
        if self._attached.is_set():
            metrics.RESYNCS.labels(reason).inc()
            count = sum(map(len, self._users.values()))
            what = error and type(error).__name__
            log.warning("push_lost", reason=reason, error=what, sockets=count)
        for sockets in self._users.values():
            for subscriber in list(sockets):
                if subscriber.held is not None:
                    # Nobody but its client knows how far it has come.
                    subscriber.sink.close(TOO_SLOW, "interrupted while catching up")

    def _open_anew(self) -> None:
        """Bring every socket up to date from the log, from where it stood; wake who looks."""
        self._watches.ring_all()
        self.on_run()
        standing = [
            (
                subscriber,
                {
                    conversation_id: max(room.seq, room.subscribers[subscriber])
                    for conversation_id, room in subscriber.rooms.items()
                },
            )
            for sockets in self._users.values()
            for subscriber in sockets
            if subscriber.held is None
        ]
        self._rooms.clear()
        self._desks.clear()
        for subscriber, cursors in standing:
            subscriber.rooms.clear()
            subscriber.inbox.clear()
            subscriber.snapshot = subscriber.desk_id = None
            subscriber.held = []
            self._begin(_unless_it_fails(subscriber, self._resume(subscriber, cursors)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside following the outbox; it ends with the hub."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resume(self, subscriber: Subscriber, cursors: dict[str, int]) -> None:
        """Open a socket again that does not know it was interrupted."""
        result = await self._subscribe(subscriber)
        listed = result["conversations"]
        if result["has_threads"]:
            # Which conversations of the inbox it knows, and how far, only its client can tell.
            told = {"type": RESET, "desk_id": result["desk_id"]}
            subscriber.sink.write([frames.of(told)])
        for one in listed:
            if one["conversation_id"] not in cursors:
                cursors[one["conversation_id"]] = await self._introduce(subscriber, one)
        standing = {one["conversation_id"]: one["last_seq"] for one in listed}
        await self._catch_up(subscriber, cursors, standing)

    async def _introduce(self, subscriber: Subscriber, one: Mapping[str, Any]) -> int:
        """Tell of a conversation that came while nobody looked; the number its news begin after."""
        joined: int = one["joined_seq"]
        if joined:
            return joined - 1  # the first of its news is the joining
        async with self._turn:
            conversation = await self._database.conversation(
                one["conversation_id"], subscriber.user_id
            )
        if conversation is None:
            raise errors.unavailable("membership changed meanwhile")
        told = {
            "type": "conversation_created",
            "conversation_id": one["conversation_id"],
            "seq": 0,
            "conversation": orjson.Fragment(conversation),
        }
        subscriber.sink.write([frames.of(told)])
        return 0


def _nothing() -> None:
    """Do nothing."""


async def _wait(bell: asyncio.Event, seconds: float) -> None:
    """Wait for the bell, not longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        pass


async def _unless_it_fails(subscriber: Subscriber, opening: Awaitable[None]) -> None:
    """Bring a socket up to date; what hinders that is told, and ends it."""
    try:
        await opening
    except Failure as failure:
        subscriber.sink.write([frames.failed(failure)])
        subscriber.sink.close(close_code(failure), failure.error)
    except Exception as error:
        failed = logs.bug(log, error)
        subscriber.sink.write([frames.failed(failed)])
        subscriber.sink.close(INTERNAL, failed.error)


def close_code(failure: Failure) -> int:
    """Tell which code closes a socket for this reason."""
    return TOO_SLOW if failure.status in (429, 503) else UNAUTHENTICATED


def _is_elsewhere(page: LogPage, conversation_id: str) -> bool:
    """Tell whether a page is of the log of another conversation, which this one was merged into."""
    if not page.changes:
        return False
    _, body = page.changes[0]
    return bool(orjson.loads(body)["conversation_id"] != conversation_id)


def _is_told(frame: Frame, conversation_id: str, seq: int) -> bool:
    """Tell whether a frame is about what a log tells up to a number."""
    if frame.cursor is not None:
        return frame.cursor[0] == conversation_id and frame.cursor[1] <= seq
    told = orjson.loads(frame.body)
    is_reset = told["type"] == RESET and told.get("conversation_id") == conversation_id
    return is_reset and bool(told["last_seq"] <= seq)


def _keep(one: Any, kept: list[Any], subscriber: Subscriber) -> None:
    """Put something aside for a socket, within bounds."""
    if len(kept) >= MOST_HELD:
        subscriber.sink.close(TOO_SLOW, "too much came while catching up")
        return
    kept.append(one)


def _not_a_member(conversation_id: str) -> Frame:
    refusal = {"error": "not_a_member", "message": "you are not a member of this conversation"}
    return frames.error(refusal, conversation_id=conversation_id)
