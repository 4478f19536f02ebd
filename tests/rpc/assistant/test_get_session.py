"""api.get_session."""

import pytest

from tests.rpc.behind import acting_as, rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_it_is_what_its_creation_told_without_the_secret(db: Connection, world: World) -> None:
    result = succeed(db, "get_session", session_id=world.session["session_id"], actor_id=world.ann)
    assert result == {key: value for key, value in world.session.items() if key != "client_secret"}


def test_a_service_sees_any(db: Connection, world: World) -> None:
    result = succeed(db, "get_session", session_id=world.session["session_id"])
    assert result["data"]["user_id"] == world.ann


def test_it_tells_what_has_become_of_it(db: Connection, world: World) -> None:
    session_id = world.session["session_id"]

    def statuses() -> set[str]:
        result = succeed(db, "get_session", session_id=session_id, actor_id=world.ann)
        return {result["status"], result["data"]["status"]}

    assert statuses() == {"active"}
    rows(db, "update chat.sessions set expires_at = clock_timestamp()")
    assert statuses() == {"expired"}
    succeed(db, "cancel_session_atomic", session_id=session_id, actor_id=world.ann)
    assert statuses() == {"cancelled"}


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_does_not_exist(db: Connection, world: World, who: str) -> None:
    session_id = world.session["session_id"]
    user_id = getattr(world, who)
    refuse(db, "not_found", "get_session", session_id=session_id, actor_id=user_id)
    with acting_as(db, "parley_user", {"sub": user_id}):
        refuse(db, "not_found", "get_session", session_id=session_id)


def test_it_must_be_named_and_exist(db: Connection, world: World) -> None:
    for actor in ({}, {"actor_id": world.ann}):
        result = refuse(db, "validation_error", "get_session", session_id=None, **actor)
        assert result["details"] == {"field": "session_id"}
        refuse(db, "not_found", "get_session", session_id=NOBODY, **actor)
