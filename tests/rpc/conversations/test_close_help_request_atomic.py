"""api.close_help_request_atomic."""

from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, refuse, send, succeed


def test_its_owner_closes_it_once(db: Connection, world: World) -> None:
    arguments = {"help_request_id": world.help_request, "actor_id": world.bob}
    first = succeed(db, "close_help_request_atomic", **arguments)
    assert set(first) == {"success", "help_request_id", "help_request"}
    assert first["help_request"]["closed_at"] is not None
    again = succeed(db, "close_help_request_atomic", **arguments)
    assert again == first | {"duplicate": True}


def test_conversations_about_it_go_on(db: Connection, world: World) -> None:
    conversation_id = succeed(
        db,
        "create_conversation_atomic",
        help_request_id=world.help_request,
        helper_id=world.ann,
        initial_message="oil",
    )["conversation_id"]
    succeed(db, "close_help_request_atomic", help_request_id=world.help_request, actor_id=world.bob)
    send(db, conversation_id, world.bob, "thanks")


def test_nobody_else_closes_it(db: Connection, world: World) -> None:
    about = {"help_request_id": world.help_request}
    refuse(db, "permission_denied", "close_help_request_atomic", **about, actor_id=world.ann)
    refuse(db, "not_found", "close_help_request_atomic", **about, actor_id=world.zoe)


def test_it_must_be_given_and_exist(db: Connection, world: World) -> None:
    by_ann = {"actor_id": world.ann}
    refuse(db, "not_found", "close_help_request_atomic", **by_ann, help_request_id=NOBODY)
    result = refuse(
        db, "validation_error", "close_help_request_atomic", **by_ann, help_request_id=None
    )
    assert result["details"] == {"field": "help_request_id"}
