"""api.add_reaction_atomic."""

import pytest

from tests.rpc.behind import events, rows, set_limit
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def reaction(world: World) -> Json:
    """Bob's thumb to Ann's message."""
    return {
        "conversation_id": world.group,
        "actor_id": world.bob,
        "message_id": world.hello["id"],
        "emoji": "👍",
    }


def test_reactions_are_grouped_in_the_order_of_their_first_use(
    db: Connection, world: World, reaction: Json
) -> None:
    for actor_id, emoji in (
        (world.bob, "👍"),
        (world.cid, "🎉"),
        (world.ann, "👍"),
    ):
        given = reaction | {"actor_id": actor_id, "emoji": emoji}
        message = succeed(db, "add_reaction_atomic", **given)["message"]
    assert message["reactions"] == [
        {"emoji": "👍", "count": 2, "user_ids": [world.bob, world.ann]},
        {"emoji": "🎉", "count": 1, "user_ids": [world.cid]},
    ]
    assert message | {"reactions": []} == world.hello


def test_the_event_names_the_emoji(db: Connection, world: World, reaction: Json) -> None:
    message = succeed(db, "add_reaction_atomic", **reaction)["message"]
    assert events(db, world.group)[-1] == {
        "type": "reaction_added",
        "conversation_id": world.group,
        "seq": 3,
        "actor_id": world.bob,
        "emoji": "👍",
        "message": message,
    }


def test_again_changes_nothing(db: Connection, world: World, reaction: Json) -> None:
    first = succeed(db, "add_reaction_atomic", **reaction)
    assert succeed(db, "add_reaction_atomic", **reaction) == first | {"duplicate": True}
    assert rows(db, "select count(*) from chat.changes") == [(1,)]


@pytest.mark.parametrize("emoji", [None, "", "a b", "\t", "x" * 33])
def test_an_emoji_is_short_and_without_white_space(
    db: Connection, world: World, reaction: Json, emoji: str | None
) -> None:
    result = refuse(db, "validation_error", "add_reaction_atomic", **reaction | {"emoji": emoji})
    assert result["details"] == {"field": "emoji"}


@pytest.mark.parametrize("emoji", ["👩‍👩‍👧‍👦", "🏳️‍🌈", ":shipit:", "ok", "é", "'"])
def test_any_emoji_will_do(db: Connection, world: World, reaction: Json, emoji: str) -> None:
    message = succeed(db, "add_reaction_atomic", **reaction | {"emoji": emoji})["message"]
    assert message["reactions"][0]["emoji"] == emoji


def test_the_message_must_be_named_and_there(db: Connection, world: World, reaction: Json) -> None:
    refuse(db, "validation_error", "add_reaction_atomic", **reaction | {"message_id": None})
    refuse(db, "not_found", "add_reaction_atomic", **reaction | {"message_id": NOBODY})


def test_nobody_reacts_to_a_deleted_message(db: Connection, world: World, reaction: Json) -> None:
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        message_id=world.hello["id"],
    )
    refuse(db, "edit_conflict", "add_reaction_atomic", **reaction)


def test_nobody_reacts_in_a_closed_conversation(
    db: Connection, world: World, reaction: Json
) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.group, actor_id=world.ann)
    refuse(db, "conversation_closed", "add_reaction_atomic", **reaction)


def test_a_blocked_pair_does_not_react(db: Connection, world: World, reaction: Json) -> None:
    message = send(db, world.direct, world.ann, "hi")
    succeed(db, "block_user_atomic", actor_id=world.ann, user_id=world.bob)
    in_direct = reaction | {"conversation_id": world.direct, "message_id": message["id"]}
    refuse(db, "blocked", "add_reaction_atomic", **in_direct)


def test_a_message_carries_only_so_many(db: Connection, world: World, reaction: Json) -> None:
    set_limit(db, "reactions_per_message", 1)
    succeed(db, "add_reaction_atomic", **reaction)
    result = refuse(db, "too_large", "add_reaction_atomic", **reaction | {"emoji": "x"})
    assert result["details"] == {"field": "reactions", "limit": 1}


def test_the_desk_cannot_do_that_to_what_a_contact_sees(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "add_reaction_atomic",
        conversation_id=world.thread,
        actor_id=world.ann,
        message_id=world.offer["id"],
        emoji="x",
    )
