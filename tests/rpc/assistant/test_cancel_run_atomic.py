"""api.cancel_run_atomic."""

from tests.rpc.assistant.runs import (
    ask,
    claim,
    complete,
    new_session,
    pieces,
    say,
    unknown,
)
from tests.rpc.behind import events, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


def cancel(db: Connection, world: World, run_id: str, **more: str | None) -> Json:
    """Let Ann want no answer any more."""
    return succeed(
        db,
        "cancel_run_atomic",
        **{"conversation_id": world.talk, "actor_id": world.ann, "run_id": run_id, **more},
    )


def test_what_no_worker_has_taken_ends_without_an_answer(db: Connection, world: World) -> None:
    run_id = ask(db, world.talk, world.ann)["run_id"]
    result = cancel(db, world, run_id)
    assert (result["changed"], result["message"]) == (True, None)
    assert (result["data"]["status"], result["data"]["error"]) == ("cancelled", None)
    assert events(db, world.talk)[-1] == {
        "type": "run_failed",
        "conversation_id": world.talk,
        "run_id": run_id,
        "status": "cancelled",
        "error": None,
        "message_id": None,
    }
    assert succeed(db, "claim_run", worker="one")["data"] is None


def test_what_was_said_by_then_is_kept_and_marked(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    run = claim(db)
    say(db, run, "I would")
    message = cancel(db, world, run["id"])["message"]
    assert message["content"] == "I would"
    assert message["metadata"] == {"run_id": run["id"], "partial": True, "status": "cancelled"}
    assert pieces(db, run["id"]) == []


def test_another_question_can_be_asked_then(db: Connection, world: World) -> None:
    cancel(db, world, ask(db, world.talk, world.ann)["run_id"])
    ask(db, world.talk, world.ann, "how?")


def test_a_run_is_cancelled_once(db: Connection, world: World) -> None:
    run_id = ask(db, world.talk, world.ann)["run_id"]
    first = cancel(db, world, run_id)
    assert cancel(db, world, run_id) == first | {"changed": False, "duplicate": True}


def test_an_answer_that_is_there_stays(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    run = claim(db)
    answer = complete(db, run, "because")["message"]
    result = cancel(db, world, run["id"])
    assert (result["changed"], result["data"]["status"]) == (False, "completed")
    assert result["message"] == answer


def test_a_service_cancels_for_nobody_in_particular(db: Connection, world: World) -> None:
    run_id = ask(db, world.talk, world.ann)["run_id"]
    assert cancel(db, world, run_id, actor_id=None)["data"]["status"] == "cancelled"
    refuse(db, "not_found", "cancel_run_atomic", conversation_id=world.talk, run_id=unknown())
    refuse(db, "not_found", "cancel_run_atomic", conversation_id=unknown(), run_id=run_id)


def test_only_who_asked_cancels(db: Connection, world: World) -> None:
    run_id = ask(db, world.talk, world.ann)["run_id"]
    assistant = value(db, "select responder_id::text from chat.runs where run_id = %s", run_id)
    refuse(
        db,
        "permission_denied",
        "cancel_run_atomic",
        conversation_id=world.talk,
        actor_id=assistant,
        run_id=run_id,
    )


def test_a_run_that_is_not_there_is_not_found(db: Connection, world: World) -> None:
    about = {"conversation_id": world.talk, "actor_id": world.ann}
    refuse(db, "not_found", "cancel_run_atomic", **about, run_id=unknown())
    refused = refuse(db, "validation_error", "cancel_run_atomic", **about)
    assert refused["details"] == {"field": "run_id"}


def test_a_session_beside_it_must_be_ones_own(db: Connection, world: World) -> None:
    run_id = ask(db, world.talk, world.ann)["run_id"]
    for actor_id, session_id in (
        (world.ann, new_session(db, world.bob)),
        (world.ann, unknown()),
        (None, unknown()),
    ):
        refuse(
            db,
            "not_found",
            "cancel_run_atomic",
            conversation_id=world.talk,
            actor_id=actor_id,
            run_id=run_id,
            session_id=session_id,
        )
    cancel(db, world, run_id, session_id=new_session(db, world.ann))
