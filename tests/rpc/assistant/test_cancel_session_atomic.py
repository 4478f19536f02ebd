"""api.cancel_session_atomic."""

import pytest

from tests.rpc.assistant.runs import ask, claim, complete, new_session, new_thread
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_nothing_begins_in_it_any_more(db: Connection, world: World) -> None:
    session_id = world.session["session_id"]
    result = succeed(db, "cancel_session_atomic", session_id=session_id, actor_id=world.ann)
    assert (result["status"], result["data"]["status"]) == ("cancelled", "cancelled")
    assert "client_secret" not in result
    secret = world.session["client_secret"]
    refuse(db, "unauthenticated", "authenticate_session", client_secret=secret)
    refused = refuse(
        db, "permission_denied", "create_thread_atomic", actor_id=world.ann, session_id=session_id
    )
    assert refused["details"] == {"status": "cancelled"}


def test_what_began_in_it_goes_on(db: Connection, world: World) -> None:
    session_id = new_session(db, world.ann)
    thread = new_thread(db, world.ann, session_id)
    ask(db, thread, world.ann)
    succeed(db, "cancel_session_atomic", session_id=session_id)
    assert complete(db, claim(db), "because")["data"]["status"] == "completed"
    found = succeed(db, "get_assistant_thread", conversation_id=thread, actor_id=world.ann)
    assert (found["status"], found["data"]["session_id"]) == ({"type": "active"}, session_id)


def test_again_changes_nothing(db: Connection, world: World) -> None:
    about = {"session_id": world.session["session_id"], "actor_id": world.ann}
    first = succeed(db, "cancel_session_atomic", **about)
    assert succeed(db, "cancel_session_atomic", **about) == {**first, "duplicate": True}


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_does_not_exist(db: Connection, world: World, who: str) -> None:
    session_id = world.session["session_id"]
    refuse(
        db,
        "not_found",
        "cancel_session_atomic",
        session_id=session_id,
        actor_id=getattr(world, who),
    )
    assert succeed(db, "get_session", session_id=session_id)["status"] == "active"


def test_it_must_be_named_and_exist(db: Connection, world: World) -> None:
    for actor in ({}, {"actor_id": world.ann}):
        result = refuse(db, "validation_error", "cancel_session_atomic", session_id=None, **actor)
        assert result["details"] == {"field": "session_id"}
        refuse(db, "not_found", "cancel_session_atomic", session_id=NOBODY, **actor)
