"""The worker that answers: claims runs, lets the responder speak, writes down what it says.

What is said is written as it comes, the first words at once and the rest in portions, so that it
can be read along and is not lost with us. Each call carries the lease of the claim: once the run
is somebody else's, or over, nothing we still write counts, and we learn of it and stop.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, NamedTuple

import orjson
import structlog

from thin_api import logs, metrics
from thin_api.db import Database, Refused
from thin_api.errors import Failure
from thin_api.responders import Json, Responder, ResponderError, request_of
from thin_api.responders.loading import load_responder
from thin_api.settings import Settings
from thin_api.worker import POLL, TROUBLE, Worker, delay_after, insist, pause_after

log = structlog.get_logger(__name__)

PORTION = 0.05  # seconds between two writings of one answer
BEAT = 1 / 3  # of the lease: so often we say at least that we live
MOST_HEARD = 4_194_304  # characters, far beyond what any answer may have
HANGING_UP = 5.0  # seconds a responder gets to let go
RELEASING = 3.0  # seconds for giving back what the shutdown interrupts
LONGEST_ERROR = 1000  # characters kept of what a responder says of its failure


class Runs:
    """Answers what was asked, as far as this process may."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._opening = load_responder(settings)
        self._database = database
        self._grace = settings.shutdown_grace
        self._worker = Worker("runs", settings.runs_at_once)
        self._stops_at = float("inf")
        self._turns: set[_Turn] = set()

    def kick(self) -> None:
        """Look soon: somebody may have asked something."""
        self._worker.kick()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer as long as this lasts; what takes longer than the grace then is given back."""
        if self._opening is None:
            yield
            return
        async with (
            self._opening() as responder,
            self._worker.looking(functools.partial(self._look, responder), self._grace + RELEASING),
        ):
            try:
                yield
            finally:
                self._stops_at = time.monotonic() + self._grace
                for turn in self._turns:
                    turn.wake()

    async def _look(self, responder: Responder) -> float:
        """Claim a run, if there is room for one, and begin it; how long to wait for the next."""
        if not self._worker.room:
            return POLL  # whoever ends wakes us
        claim = orjson.loads(
            await self._database.call("claim_run", {"p_worker": self._worker.name})
        )
        if claim["data"] is not None:
            self._worker.begin(self._answer(responder, claim["data"]))
        elif not claim["ended"]:
            return await pause_after(claim["wait_seconds"])
        return 0.0

    async def _answer(self, responder: Responder, run: Json) -> None:
        """Answer one run, and tell of it."""
        turn = _Turn(self._database, run, lambda: self._stops_at)
        self._turns.add(turn)
        try:
            with metrics.RUNS_UNDER_WAY.track_inprogress():
                outcome = await turn.play(responder)
        finally:
            self._turns.discard(turn)
        seconds = time.monotonic() - turn.began
        metrics.RUNS.labels(outcome.kind).inc()
        if outcome.kind == "completed":
            metrics.RUN_SECONDS.observe(seconds)
        if turn.first_word is not None:
            metrics.RUN_FIRST_WORD_SECONDS.observe(turn.first_word - turn.began)
        log.info(
            "run",
            **turn.about,
            outcome=outcome.kind,
            code=(outcome.error or {}).get("code"),
            characters=turn.heard,
            ms=round(seconds * 1000, 2),
        )


class _Outcome(NamedTuple):
    """How a turn ends; lost: the run is over already, or somebody else's."""

    kind: Literal["completed", "failed", "released", "lost"]
    error: Json | None = None


AWAY = (Failure,)  # of the ways a call can go wrong what a later one may not
LOST = _Outcome("lost")
RELEASED = _Outcome("released")


class _Turn:
    """One run in our hands."""

    def __init__(self, database: Database, run: Json, stops_at: Callable[[], float]) -> None:
        self.began = time.monotonic()
        self.first_word: float | None = None
        self.heard = 0  # characters
        self.about = {
            "run_id": run["id"],
            "conversation_id": run["conversation_id"],
            "attempt": run["attempt"],
        }
        self._database = database
        self._request = request_of(run)
        self._named = {
            "p_conversation_id": run["conversation_id"],
            "p_run_id": run["id"],
            "p_lease": run["lease"],
        }
        self._lease = float(run["lease_seconds"])
        self._deadline = self.began + self._request.timeout
        self._stops_at = stops_at
        self._news = asyncio.Event()
        self._said: list[str] = []
        self._unwritten = ""
        self._written = 0  # characters
        self._failures = 0  # of writing, in a row

    def wake(self) -> None:
        """Make it look around."""
        self._news.set()

    async def play(self, responder: Responder) -> _Outcome:
        """Let the responder speak; what became of it is written down when this returns."""
        listening = asyncio.create_task(self._listen(responder))
        listening.add_done_callback(lambda _: self.wake())
        try:
            outcome = await self._write_along(listening)
        finally:
            await self._hang_up(listening)
        try:
            return await self._settle(outcome)
        except TROUBLE as trouble:
            reason = type(trouble).__name__
        # The lease ends by itself, and somebody begins anew.
        log.error("run_not_settled", **self.about, reason=reason)
        return LOST

    async def _listen(self, responder: Responder) -> None:
        try:
            async with contextlib.aclosing(responder(self._request)) as pieces:
                async for piece in pieces:
                    self._hear(_clean(piece))
                    await asyncio.sleep(0)  # others come in between, even if it never waits
        except (SystemExit, KeyboardInterrupt) as error:
            # Out of a task these would end the server, and with the next attempt the next one.
            raise RuntimeError("the responder wants the process to end") from error

    def _hear(self, piece: str) -> None:
        if not piece:
            return
        if self.first_word is None:
            self.first_word = time.monotonic()
        self.heard += len(piece)
        if self.heard > MOST_HEARD:
            raise ResponderError("too_large", "the answer has no end")
        self._said.append(piece)
        self._unwritten += piece
        self.wake()

    async def _write_along(self, listening: "asyncio.Task[None]") -> _Outcome:
        """Write while the responder speaks; how it ended."""
        beat = self.began + self._lease * BEAT
        while not listening.done():
            self._news.clear()
            now = time.monotonic()
            if now >= self._deadline:
                return _failed("timeout", "the responder took too long")
            if now >= self._stops_at():
                return RELEASED
            if self._unwritten or now >= beat:
                beat = now + self._lease * BEAT
                if outcome := await self._try_to_write():
                    return outcome
                pause = delay_after(self._failures) if self._failures else PORTION
                await asyncio.wait([listening], timeout=pause)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(beat, self._deadline, self._stops_at()) - now):
                    await self._news.wait()
        return self._outcome_of(listening)

    async def _try_to_write(self) -> _Outcome | None:
        """Write; with the database away what was said is kept for the next time."""
        try:
            outcome = await self._write()
        except TROUBLE as trouble:
            self._failures += 1
            log.warning("run_not_written", **self.about, reason=type(trouble).__name__)
            return None
        self._failures = 0
        return outcome

    async def _write(self) -> _Outcome | None:
        """Write what was said since, or only that we live; the outcome, if that is known now."""
        given = {"p_content": self._unwritten, "p_offset": self._written}
        result = await self._call("append_run_delta", **given)
        if not result["success"]:
            return _refused(result)
        if not result["active"]:
            return LOST
        # It may be more than `given` says if what we wrote before was done, and nobody told us.
        self._unwritten = self._unwritten[result["offset"] - self._written :]
        self._written = result["offset"]
        return None

    def _outcome_of(self, listening: "asyncio.Task[None]") -> _Outcome:
        error = asyncio.CancelledError() if listening.cancelled() else listening.exception()
        if error is None:
            return _Outcome("completed")
        if isinstance(error, ResponderError) and all(isinstance(one, str) for one in error.args):
            return _failed(error.code, error.message)
        return self._failed_by_a_bug(error)

    def _failed_by_a_bug(self, error: BaseException) -> _Outcome:
        failure = logs.bug(log, error, **self.about)
        return _failed(failure.error, failure.message, failure.details)

    async def _hang_up(self, listening: "asyncio.Task[None]") -> None:
        """Have the responder let go, so that it neither costs nor holds anything any more."""
        ended_itself = not listening.cancel()
        left = self._stops_at() + RELEASING / 2 - time.monotonic()
        try:
            await asyncio.wait([listening], timeout=max(0.0, min(HANGING_UP, left)))
        finally:
            if not listening.done():
                log.error("responder_hangs", **self.about)
                # Before it ends a process waits for every task asyncio knows of.
                asyncio.tasks._unregister_task(listening)
        # An exception that nobody asks for asyncio would log itself, with what it quotes.
        if not listening.done() or listening.cancelled():
            return
        if (error := listening.exception()) and not ended_itself:
            logs.bug(log, error, **self.about)

    async def _settle(self, outcome: _Outcome) -> _Outcome:
        """Write down how it ended; what is true then."""
        until = min(
            max(self._deadline, time.monotonic()) + self._lease, self._stops_at() + RELEASING
        )
        if outcome.kind == "completed":
            try:
                result = await self._complete(until)
            except (TypeError, Refused) as error:
                outcome = self._failed_by_a_bug(error)
            else:
                if result["success"]:
                    return _ended(result)
                outcome = _refused(result)
        if outcome.kind == "failed":
            if self._unwritten:
                await insist(self._write, until, AWAY)
            result = await self._end("fail_run_atomic", until, p_error=orjson.dumps(outcome.error))
            return _ended(result) if result["success"] else LOST
        if outcome.kind == "released":
            await self._end("release_run_atomic", until)
        return outcome

    async def _complete(self, until: float) -> Json:
        notes = orjson.dumps(self._request.notes)
        said = "".join(self._said)
        return await self._end("complete_run_atomic", until, p_content=said, p_metadata=notes)

    async def _end(self, function: str, until: float, **given: Any) -> Json:
        return await insist(functools.partial(self._call, function, **given), until, AWAY)

    async def _call(self, function: str, **given: Any) -> Json:
        result: Json = orjson.loads(await self._database.call(function, self._named | given))
        return result


def _failed(code: str, message: str, details: Any = None) -> _Outcome:
    told = {"code": _clean(code)[:LONGEST_ERROR], "message": _clean(message)[:LONGEST_ERROR]}
    return _Outcome("failed", told | ({"details": details} if details else {}))


def _refused(result: Json) -> _Outcome:
    """Judge a refusal of what we wanted to write."""
    return LOST if result["error"] == "not_found" else _failed(result["error"], result["message"])


def _ended(result: Json) -> _Outcome:
    """Read how a run ended; that it was cancelled, say, is nothing we did."""
    run = result["data"]
    if run["status"] in ("completed", "failed"):
        return _Outcome(run["status"], run["error"])
    return LOST


def _clean(text: str) -> str:
    """Leave out what PostgreSQL has no place for: NUL, and halves of characters."""
    return text.replace("\0", "").encode(errors="ignore").decode()
