"""What tests of runs say: threads, questions, workers and their answers."""

import uuid
from typing import Any

from tests.rpc.behind import rows, value
from tests.support import Connection, Json, succeed


def new_session(db: Connection, user_id: str, **more: Any) -> str:
    """Give somebody leave to talk to the assistant; the session's id."""
    session_id: str = succeed(db, "create_session_atomic", actor_id=user_id, **more)["session_id"]
    return session_id


def new_thread(db: Connection, owner: str, session_id: str | None = None) -> str:
    """Begin a thread with the assistant; its id."""
    thread_id: str = succeed(db, "create_thread_atomic", actor_id=owner, session_id=session_id)[
        "thread_id"
    ]
    return thread_id


def assistant_of(db: Connection, thread: str) -> str:
    """Return who answers in a thread."""
    return str(
        value(
            db,
            "select m.user_id from chat.members m"
            " where m.conversation_id = %s and m.role = 'member'",
            thread,
        )
    )


def ask(db: Connection, thread: str, owner: str, content: str = "why?", **more: Any) -> Json:
    """Ask the assistant; what it answers."""
    return succeed(
        db,
        "create_run_atomic",
        conversation_id=thread,
        actor_id=owner,
        **({} if "message_id" in more else {"content": content}),
        **more,
    )


def claim(db: Connection, **more: Any) -> Json:
    """Claim a run that must be there."""
    run: Json | None = succeed(db, "claim_run", worker="one", **more)["data"]
    assert run is not None
    return run


def held(run: Json) -> Json:
    """Name a claimed run as its worker does."""
    return {"conversation_id": run["conversation_id"], "run_id": run["id"], "lease": run["lease"]}


def say(db: Connection, run: Json, content: str | None, **more: Any) -> Json:
    """Add a piece of an answer."""
    return succeed(db, "append_run_delta", **held(run), content=content, **more)


def complete(db: Connection, run: Json, content: str | None = None, **more: Any) -> Json:
    """Give the whole answer."""
    return succeed(db, "complete_run_atomic", **held(run), content=content, **more)


def fail(db: Connection, run: Json, code: str = "broken") -> Json:
    """Say that there will be no answer."""
    error = {"code": code, "message": "it is broken"}
    return succeed(db, "fail_run_atomic", **held(run), error=error)


def run_row(db: Connection, run_id: str) -> Json:
    """Return a run's row."""
    row: Json = value(db, "select to_jsonb(r) from chat.runs r where r.run_id = %s", run_id)
    return row


def pieces(db: Connection, run_id: str) -> list[tuple[int, str]]:
    """Return what is kept of an answer under way."""
    return rows(
        db,
        "select d.start, d.content from chat.run_deltas d where d.run_id = %s order by d.start",
        run_id,
    )


def lose_worker(db: Connection) -> None:
    """Let the time of all leases pass."""
    rows(db, "update chat.runs set due_at = clock_timestamp() where status = 'in_progress'")


def outdate(db: Connection) -> None:
    """Let nobody want the answers any more."""
    rows(
        db,
        "update chat.runs set expires_at = clock_timestamp(),"
        " due_at = least(due_at, clock_timestamp()) where finished_at is null",
    )


def unknown() -> str:
    """Return an id that nothing has."""
    return str(uuid.uuid4())
