"""Everything the thin layer says to PostgreSQL; the only module of it that holds SQL."""

import asyncio
import contextlib
import dataclasses
import functools
import random
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg
import structlog

from thin_api import errors, metrics
from thin_api.errors import Cause, Failure
from thin_api.pool import Connection, Pool, PoolBusy
from thin_api.settings import Settings

log = structlog.get_logger(__name__)

CONFLICT_TRIES = 5
LOCK_TRIES = 2
LOST_TRIES = 3
LOCK_TIMEOUT = 2.0  # seconds one try waits for a row; a longer wait holds a connection for nothing
CONNECT_TIMEOUT = 5.0
ANSWER_GRACE = 2.0  # the server ends a statement itself; only a dead link outlives this
CATALOGUE_AGE = 2.0  # a refresh asked for sooner than this after the last one is not done
RECOVERY_DELAYS = (0.1, 0.2, 0.5, 1.0)

# Writes that may be sent again when nobody knows whether the first time committed: those a second
# time changes nothing and is answered alike, and those that carry the named key.
REPEATABLE: Mapping[str, str | None] = {
    "add_chatkit_item_atomic": None,
    "add_reaction_atomic": None,
    "announce_typing": None,
    "append_run_delta": "p_offset",
    "block_user_atomic": None,
    "cancel_run_atomic": None,
    "cancel_session_atomic": None,
    "complete_run_atomic": None,
    "create_conversation_atomic": "p_client_key",
    "create_help_request_atomic": "p_client_key",
    "create_run_atomic": "p_client_message_id",
    "create_session_atomic": "p_client_key",
    "create_thread_atomic": "p_client_key",
    "delete_attachment_atomic": None,
    "delete_chatkit_item_atomic": None,
    "fail_run_atomic": None,
    "mark_delivered_atomic": None,
    "mark_read_atomic": None,
    "park_webhook_atomic": None,
    "receive_message_atomic": "p_provider_message_id",
    "receive_webhooks_atomic": None,
    "release_run_atomic": None,
    "remove_reaction_atomic": None,
    "save_attachment_atomic": None,
    "save_chatkit_item_atomic": None,
    "save_chatkit_thread_atomic": None,
    "send_message_atomic": "p_client_message_id",
    "set_feature_flag_atomic": None,
    "set_notification_preferences_atomic": None,
    "unblock_user_atomic": None,
    "upsert_user_atomic": "p_user_id",
}

SIMPLE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
FAILS = re.compile(r"chat\.fail\(\s*'(\w+)'")
CALLS = re.compile(r"\b((?:api|chat)\.\w+)\s*\(")
COMMENTS = re.compile(r"--[^\n]*")

CATALOGUE = """
select p.proname as name,
       p.provolatile = 'v' as writes,
       p.proretset as returns_set,
       format_type(p.prorettype, null) as returns,
       coalesce(obj_description(p.oid, 'pg_proc'), '') as comment,
       array(select a.name
               from unnest(p.proargnames, p.proargmodes) with ordinality a (name, mode, n)
              where coalesce(a.mode, 'i') in ('i', 'b', 'v')
              order by a.n) as argument_names,
       array(select format_type(t.type, null)
               from unnest(p.proargtypes) with ordinality t (type, n)
              order by t.n) as argument_types,
       p.pronargdefaults as defaults,
       coalesce((select has_function_privilege(r.oid, p.oid, 'execute')
                   from pg_roles r
                  where r.rolname = 'parley_user'), false) as open_to_users
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
 where n.nspname = 'api'
   and p.prokind = 'f'
   and has_function_privilege(p.oid, 'execute')
 order by p.proname
"""
ERROR_CODES = "select c.code, c.http_status, c.retryable, c.meaning from api.error_codes c"
SOURCES = """
select n.nspname || '.' || p.proname as name, p.prosrc as source
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
 where n.nspname in ('api', 'chat')
"""
SEND_BATCH = """
select result.value
  from jsonb_array_elements(api.send_messages_atomic(p_messages => $1) -> 'results') result
"""
RECEIVE_BATCH = """
select result.value
  from jsonb_array_elements(api.receive_webhooks_atomic(p_webhooks => $1) -> 'results')
       with ordinality result (value, n)
 order by result.n
"""
CHANGES = """
select page.result ->> 'error' as error,
       page.result ->> 'message' as message,
       page.result -> 'details' as details,
       (page.result ->> 'reset')::boolean as reset,
       (page.result ->> 'last_seq')::bigint as last_seq,
       change.value as body,
       (change.value ->> 'seq')::bigint as seq
  from api.list_changes(p_conversation_id => $1, p_actor_id => $2, p_after_seq => $3) page (result)
  left join lateral jsonb_array_elements(page.result -> 'changes') with ordinality change (value, n)
         on true
 order by change.n
"""
CONVERSATION = """
select api.get_conversation(p_conversation_id => $1, p_actor_id => $2) -> 'conversation'
"""
PING = "select 1"


class LogPage(NamedTuple):
    """A part of a log, and where it ends; is_reset: it cannot be continued, start anew."""

    changes: Sequence[tuple[int, bytes]]
    last_seq: int
    is_reset: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a function."""

    name: str
    type: str
    required: bool


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One function of schema api, as PostgreSQL describes it."""

    name: str
    arguments: Mapping[str, Argument]
    writes: bool
    returns: str
    returns_set: bool
    comment: str
    open_to_users: bool

    def takes(self, given: Collection[str]) -> bool:
        """Tell whether a call with these arguments and no others fits."""
        return all(name in self.arguments for name in given) and all(
            argument.name in given for argument in self.arguments.values() if argument.required
        )

    def repeatable(self, given: Mapping[str, Any]) -> bool:
        """Tell whether a call may be sent again when its outcome is unknown."""
        if not self.writes:
            return True
        if self.name not in REPEATABLE:
            return False
        key = REPEATABLE[self.name]
        return key is None or given.get(key) is not None


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row of api.error_codes."""

    code: str
    http_status: int
    retryable: bool
    meaning: str


@dataclasses.dataclass(frozen=True, slots=True)
class Catalogue:
    """What the database offers: its functions and error codes."""

    functions: Mapping[str, Function]
    error_codes: Mapping[str, ErrorCode]


class Unreachable(Failure):
    """No connection was to be had: nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__("unavailable", message)


class OutcomeUnknown(Failure):
    """The connection broke during a write that cannot be sent again blindly."""

    def __init__(self) -> None:
        super().__init__(
            "unavailable",
            "the database went away during this call; whether it was done is unknown",
            details={"outcome": "unknown"},
        )


class UnexpectedError(Exception):
    """A database error that is a bug of ours."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class Refused(Exception):  # noqa: N818 - a caller's mistake, not an error of ours
    """A database error that tells the caller something: an unusable value, a right not given."""

    def __init__(self, cause: Cause, error: asyncpg.PostgresError) -> None:
        super().__init__(error.sqlstate)
        self.cause = cause
        self.sqlstate = str(error.sqlstate)
        self.message = str(error.args[0]) if error.args else ""
        self.details = error.detail
        self.hint = error.hint


class Database:
    """The pool, the catalogue, and calls of api functions with their retries."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._timeout = settings.statement_timeout + ANSWER_GRACE
        self._pool = Pool(self._connect, size=settings.pool_size, wait=settings.pool_wait)
        self._catalogue: Catalogue | None = None
        self._loaded_at = 0.0
        self._loading = asyncio.Lock()
        self._recovery: asyncio.Task[None] | None = None
        self.on_commit: Callable[[], None] = _nothing

    @property
    def pool(self) -> Pool:
        """The connections, to be watched."""
        return self._pool

    @property
    def catalogue(self) -> Catalogue:
        """What the database offers; Failure until it has been read once."""
        if self._catalogue is None:
            raise errors.unavailable("the database is not ready yet")
        return self._catalogue

    async def open(self) -> None:
        """Connect; with the database away, go on trying in the background."""
        if not await self._try_loading():
            self._recovery = asyncio.create_task(self._recover())

    async def close(self) -> None:
        """Close every connection."""
        if self._recovery is not None:
            self._recovery.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._recovery
        await self._pool.close()

    def function(self, name: str) -> Function:
        """Look up a function that must be there."""
        try:
            return self.catalogue.functions[name]
        except KeyError:
            raise errors.unavailable(
                f"the database has no function {name}: it is not migrated"
            ) from None

    async def find(self, name: str, given: Collection[str]) -> Function | None:
        """Look up a function that may have come or changed since the catalogue was read."""
        function = self.catalogue.functions.get(name)
        if function is None or not function.takes(given):
            await self.refresh()
            function = self.catalogue.functions.get(name)
        return function

    async def status(self, error: str) -> int | None:
        """Return the status of an error code, or None for one that is not in the catalogue."""
        known = self.catalogue.error_codes.get(error)
        if known is None:
            await self.refresh()
            known = self.catalogue.error_codes.get(error)
        return None if known is None else known.http_status

    async def call(self, name: str, given: Mapping[str, Any]) -> bytes:
        """Call a function as a trusted service; the jsonb text comes back untouched."""
        function = self.function(name)
        rows = await self._fetch(
            _bare_call(name, tuple(given)), tuple(given.values()), function.repeatable(given)
        )
        if function.writes:
            self.on_commit()
        body: bytes = rows[0][0]
        return body

    async def call_as(
        self, function: Function, given: Mapping[str, Any], body: bytes, claims: str
    ) -> tuple[bytes | None, int | None]:
        """Call a function the way PostgREST does: JSON arguments, claims set, its own status."""
        arguments = tuple(function.arguments[name] for name in given)
        rows = await self._fetch(
            _call_with_claims(function, arguments),
            (claims, body) if arguments else (claims,),
            function.repeatable(given),
        )
        if function.writes:
            self.on_commit()
        result, status = rows[0]
        return result, int(status) if status else None

    async def send_messages(self, messages: bytes, *, repeatable: bool) -> list[bytes]:
        """Send a JSON array of messages in one transaction; a result each, in order."""
        rows = await self._fetch(SEND_BATCH, (messages,), repeatable, lock_tries=1)
        self.on_commit()
        return [row[0] for row in rows]

    async def receive_webhooks(self, webhooks: bytes) -> list[bytes]:
        """Take in a JSON array of webhooks in one transaction; a result each, in order."""
        rows = await self._fetch(RECEIVE_BATCH, (webhooks,), repeatable=True, lock_tries=1)
        self.on_commit()
        return [row[0] for row in rows]

    async def changes(self, conversation_id: str, actor_id: str, after_seq: int) -> LogPage:
        """Read a page of a log, each event's number and text as they are."""
        given = (conversation_id, actor_id, after_seq)
        rows = await self._fetch(CHANGES, given, repeatable=True)
        first = rows[0]
        if first["error"] is not None:
            status = await self.status(first["error"]) or 500
            raise Failure(first["error"], first["message"], status=status)
        changes = [(row["seq"], row["body"]) for row in rows if row["body"] is not None]
        return LogPage(changes, first["last_seq"], is_reset=first["reset"])

    async def conversation(self, conversation_id: str, actor_id: str) -> bytes | None:
        """Read a conversation as its text is; None if it is not the actor's to see."""
        rows = await self._fetch(CONVERSATION, (conversation_id, actor_id), repeatable=True)
        body: bytes | None = rows[0][0]
        return body

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        await self._fetch(PING, (), repeatable=True)

    async def error_sources(self) -> Mapping[str, Sequence[str]]:
        """Tell which error codes each api function may answer with, read from the functions."""
        sources = {
            row["name"]: COMMENTS.sub("", row["source"])
            for row in await self._fetch(SOURCES, (), repeatable=True)
        }
        return {
            name.removeprefix("api."): sorted(_codes(name, sources, set()))
            for name in sources
            if name.startswith("api.")
        }

    async def refresh(self) -> None:
        """Read the catalogue again, unless that was done a moment ago."""
        asked = time.monotonic()
        async with self._loading:
            if self._loaded_at > asked - CATALOGUE_AGE:
                return
            self._loaded_at = time.monotonic()
            functions = await self._fetch(CATALOGUE, (), repeatable=True)
            codes = await self._fetch(ERROR_CODES, (), repeatable=True)
            self._catalogue = Catalogue(
                functions={
                    row["name"]: _function(row)
                    for row in functions
                    if all(map(SIMPLE_NAME.fullmatch, (row["name"], *row["argument_names"])))
                },
                error_codes={row["code"]: ErrorCode(**row) for row in codes},
            )

    async def _recover(self) -> None:
        for attempt in range(10**9):
            await asyncio.sleep(RECOVERY_DELAYS[min(attempt, len(RECOVERY_DELAYS) - 1)])
            if await self._try_loading():
                return

    async def _try_loading(self) -> bool:
        self._loaded_at = 0.0
        try:
            await self.refresh()
            await self._pool.warm()
        except Failure as failure:
            log.warning("database_not_ready", reason=failure.message)
        except (UnexpectedError, Refused) as error:
            log.warning("database_not_ready", reason="not migrated?", sqlstate=error.sqlstate)
        except CONNECTION_LOST as error:
            log.warning("database_not_ready", reason=type(error).__name__)
        return self._catalogue is not None

    async def _connect(self) -> Connection:
        settings = self._settings
        connection = await asyncpg.connect(
            settings.database_url,
            timeout=CONNECT_TIMEOUT,
            statement_cache_size=settings.statement_cache,
            max_cached_statement_lifetime=0,
            server_settings={
                "application_name": "parley",
                "role": settings.database_role,
                "statement_timeout": str(int(settings.statement_timeout * 1000)),
                "lock_timeout": str(int(min(LOCK_TIMEOUT, settings.statement_timeout) * 1000)),
                "timezone": "UTC",
                "jit": "off",
            },
        )
        for name, encode, decode in CODECS:
            await connection.set_type_codec(
                name, schema="pg_catalog", encoder=encode, decoder=decode, format="binary"
            )
        return connection

    async def _acquire(self) -> Connection:
        try:
            return await self._pool.acquire()
        except PoolBusy:
            raise Unreachable("no database connection became free in time") from None
        except CONNECTION_LOST as error:
            raise Unreachable("the database is away") from error
        except asyncpg.PostgresError as error:
            raise Unreachable(
                f"the database refuses connections (SQLSTATE {error.sqlstate})"
            ) from error

    async def _fetch(
        self,
        statement: str,
        values: Sequence[Any],
        repeatable: bool,
        *,
        lock_tries: int = LOCK_TRIES,
    ) -> Any:
        """Run one autocommit statement, again where that is safe and may help."""
        left: dict[Cause, int] = {}
        while True:
            connection = await self._acquire()
            try:
                return await connection.fetch(statement, *values, timeout=self._timeout)
            except DRIVER_ERRORS as error:
                cause, raised = _cause(error, connection), error
                if cause is Cause.LOST:
                    connection.terminate()
            except BaseException:
                connection.terminate()  # cancelled half-way: what it would say next is not ours
                raise
            finally:
                self._pool.release(connection)

            left = left or {
                Cause.CONFLICT: CONFLICT_TRIES - 1,
                Cause.LOCKED: lock_tries - 1,
                Cause.LOST: LOST_TRIES - 1 if repeatable else 0,
                Cause.CHANGED: 1,
            }
            if not left.get(cause):
                raise _meaning(cause, raised, repeatable) from raised
            left[cause] -= 1
            metrics.RETRIES.labels(cause.name.lower()).inc()
            if cause is Cause.CHANGED:
                await self._reread()
            elif cause is not Cause.LOST:
                await asyncio.sleep(_jitter(CONFLICT_TRIES - left[cause]))

    async def _reread(self) -> None:
        """Refresh the catalogue, but never from within a refresh."""
        if not self._loading.locked():
            await self.refresh()


def _nothing() -> None:
    """Do nothing when something was committed: nobody asked to be told."""


def _cause(error: Exception, connection: Connection) -> Cause:
    if isinstance(error, asyncpg.PostgresError):
        return errors.cause(error.sqlstate or "")
    if isinstance(error, asyncpg.InterfaceError) and not connection.is_closed():
        return Cause.BUG
    return Cause.LOST


def _meaning(cause: Cause, error: Exception, repeatable: bool) -> Exception:
    """Turn what could not be helped by a retry into what the caller is told."""
    if cause is Cause.LOST:
        return errors.unavailable("the database went away") if repeatable else OutcomeUnknown()
    if cause in (Cause.CONFLICT, Cause.LOCKED):
        return errors.unavailable("too many calls wanted the same rows at once")
    if cause is Cause.BUSY:
        return errors.unavailable("the database did not finish this in time")
    if isinstance(error, asyncpg.PostgresError):
        if cause in (Cause.ARGUMENT, Cause.FORBIDDEN, Cause.RAISED):
            return Refused(cause, error)
        return UnexpectedError(error.sqlstate or "")
    return UnexpectedError("")


def _jitter(tries: int) -> float:
    return random.uniform(0.002, 0.01) * float(1 << tries)  # noqa: S311 - spreads retries, guards nothing


@functools.lru_cache(maxsize=1024)
def _bare_call(name: str, arguments: tuple[str, ...]) -> str:
    given = ", ".join(f"{argument} => ${n}" for n, argument in enumerate(arguments, start=1))
    return f"select api.{name}({given})"


@functools.lru_cache(maxsize=1024)
def _call_with_claims(function: Function, arguments: tuple[Argument, ...]) -> str:
    """Write the statement whose innermost row sets the claims before the function runs."""
    given = ", ".join(f"{a.name} => given.{a.name}" for a in arguments)
    columns = ", ".join(f"{a.name} {a.type}" for a in arguments)
    record = f", json_to_record($2) as given ({columns})" if arguments else ""
    call = f"api.{function.name}({given})"
    if function.returns == "void":
        result = "null::jsonb"
    elif function.returns_set:
        result = "coalesce(jsonb_agg(to_jsonb(call.result)), '[]')"
    elif function.returns == "jsonb":
        result = "call.result"
    else:
        result = "to_jsonb(call.result)"
    return f"""
        select {result}, nullif(current_setting('response.status', true), '')
          from (select {call} as result
                  from (select set_config('request.jwt.claims', $1, true) offset 0) claims{record}
                offset 0) call
    """  # noqa: S608 - every name comes from the catalogue


def _function(row: Mapping[str, Any]) -> Function:
    pairs = list(zip(row["argument_names"], row["argument_types"], strict=True))
    required = len(pairs) - row["defaults"]
    return Function(
        name=row["name"],
        arguments={
            name: Argument(name, kind, n < required) for n, (name, kind) in enumerate(pairs)
        },
        writes=row["writes"],
        returns=row["returns"],
        returns_set=row["returns_set"],
        comment=row["comment"],
        open_to_users=row["open_to_users"],
    )


def _codes(name: str, sources: Mapping[str, str], seen: set[str]) -> set[str]:
    """Collect the codes in a function and in whatever it calls."""
    if name in seen or name not in sources:
        return set()
    seen.add(name)
    found = set(FAILS.findall(sources[name]))
    for called in CALLS.findall(sources[name]):
        found |= _codes(called, sources, seen)
    return found


def _encode_jsonb(text: bytes) -> bytes:
    return b"\x01" + text


def _decode_jsonb(wire: bytes) -> bytes:
    return wire[1:]


def _same(text: bytes) -> bytes:
    return text


# JSON stays bytes in both directions: asyncpg would decode it to str only to have it encoded again.
CODECS: Sequence[tuple[str, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = (
    ("jsonb", _encode_jsonb, _decode_jsonb),
    ("json", _same, _same),
)
CONNECTION_LOST = (OSError, asyncio.TimeoutError)
# The last: a connection that was terminated a moment ago may not know it yet.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    *CONNECTION_LOST,
    asyncpg.InternalClientError,
)
