"""api.authenticate_session."""

import pytest

from tests.rpc.behind import rows
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_a_secret_tells_who_bears_it(db: Connection, world: World) -> None:
    secret = world.session["client_secret"]
    assert succeed(db, "authenticate_session", client_secret=secret) == {
        "success": True,
        "user_id": world.ann,
        "tenant_id": world.tenant_id,
        "session_id": world.session["session_id"],
        "expires_at": world.session["data"]["expires_at"],
    }


@pytest.mark.parametrize("given", ["", "x", "ck_1_2", "ck_' or true --"])
def test_nothing_else_does(db: Connection, world: World, given: str) -> None:
    assert world.session["client_secret"]
    refuse(db, "unauthenticated", "authenticate_session", client_secret=given)


def test_it_is_the_whole_secret_or_none(db: Connection, world: World) -> None:
    secret = world.session["client_secret"]
    for given in (secret[:-1], secret + "0", secret.upper(), " " + secret):
        refuse(db, "unauthenticated", "authenticate_session", client_secret=given)


def test_it_must_be_given(db: Connection) -> None:
    result = refuse(db, "validation_error", "authenticate_session", client_secret=None)
    assert result["details"] == {"field": "client_secret"}


def test_it_opens_nothing_once_the_session_is_over(db: Connection, world: World) -> None:
    secret = world.session["client_secret"]
    rows(db, "update chat.sessions set expires_at = clock_timestamp()")
    result = refuse(db, "unauthenticated", "authenticate_session", client_secret=secret)
    assert result["details"] == {"status": "expired"}


def test_nor_for_who_is_deactivated(db: Connection, world: World) -> None:
    secret = succeed(db, "create_session_atomic", actor_id=world.dee)["client_secret"]
    succeed(db, "deactivate_user_atomic", user_id=world.dee)
    refuse(db, "unauthenticated", "authenticate_session", client_secret=secret)
