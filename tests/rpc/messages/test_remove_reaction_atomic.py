"""api.remove_reaction_atomic."""

import pytest

from tests.rpc.behind import events
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def reaction(db: Connection, world: World) -> Json:
    """Bob's thumb to Ann's message, there already."""
    given = {
        "conversation_id": world.group,
        "actor_id": world.bob,
        "message_id": world.hello["id"],
        "emoji": "👍",
    }
    succeed(db, "add_reaction_atomic", **given)
    return given


def test_the_reaction_goes_and_all_are_told(db: Connection, world: World, reaction: Json) -> None:
    result = succeed(db, "remove_reaction_atomic", **reaction)
    assert result == {"success": True, "message": world.hello}
    assert events(db, world.group)[-1] == {
        "type": "reaction_removed",
        "conversation_id": world.group,
        "seq": 4,
        "actor_id": world.bob,
        "emoji": "👍",
        "message": world.hello,
    }


@pytest.mark.parametrize("other", ["again", "emoji", "actor_id"])
def test_what_is_not_there_is_a_duplicate(
    db: Connection, world: World, reaction: Json, other: str
) -> None:
    if other == "again":
        succeed(db, "remove_reaction_atomic", **reaction)
    different = {"again": {}, "emoji": {"emoji": "x"}, "actor_id": {"actor_id": world.cid}}[other]
    told = len(events(db, world.group))
    assert succeed(db, "remove_reaction_atomic", **reaction | different)["duplicate"] is True
    assert len(events(db, world.group)) == told


def test_arguments_are_checked(db: Connection, world: World, reaction: Json) -> None:
    for field in ("message_id", "emoji"):
        result = refuse(
            db, "validation_error", "remove_reaction_atomic", **reaction | {field: None}
        )
        assert result["details"] == {"field": field}
    refuse(db, "not_found", "remove_reaction_atomic", **reaction | {"message_id": NOBODY})


def test_nothing_is_taken_back_in_a_closed_conversation(
    db: Connection, world: World, reaction: Json
) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.group, actor_id=world.ann)
    refuse(db, "conversation_closed", "remove_reaction_atomic", **reaction)


def test_the_desk_cannot_do_that_to_what_a_contact_sees(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "remove_reaction_atomic",
        conversation_id=world.thread,
        actor_id=world.ann,
        message_id=world.offer["id"],
        emoji="x",
    )
