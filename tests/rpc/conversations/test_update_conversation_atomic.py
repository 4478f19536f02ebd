"""api.update_conversation_atomic."""

import pytest

from tests.rpc.behind import CONVERSATION_KEYS, events, rows, set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def by_ann(world: World) -> Json:
    """Ann, owner of the group."""
    return {"conversation_id": world.group, "actor_id": world.ann}


def test_what_is_given_changes_and_the_rest_stays(db: Connection, by_ann: Json) -> None:
    succeed(db, "update_conversation_atomic", **by_ann, metadata={"a": 1})
    result = succeed(db, "update_conversation_atomic", **by_ann, title="New")
    assert set(result["conversation"]) == CONVERSATION_KEYS
    assert (result["conversation"]["title"], result["conversation"]["metadata"]) == (
        "New",
        {"a": 1},
    )
    result = succeed(db, "update_conversation_atomic", **by_ann, metadata={"b": 2})
    assert (result["conversation"]["title"], result["conversation"]["metadata"]) == (
        "New",
        {"b": 2},
    )


def test_it_takes_a_number_and_tells_the_others(db: Connection, world: World, by_ann: Json) -> None:
    result = succeed(db, "update_conversation_atomic", **by_ann, title="New")
    assert events(db, world.group)[-1] == {
        "type": "conversation_updated",
        "conversation_id": world.group,
        "seq": 3,
        "actor_id": world.ann,
        "conversation": result["conversation"],
    }
    assert rows(db, "select data from chat.changes") == [({"title": "A group", "metadata": {}},)]


def test_empty_title_takes_it_away(db: Connection, by_ann: Json) -> None:
    result = succeed(db, "update_conversation_atomic", **by_ann, title="")
    assert result["conversation"]["title"] is None
    again = succeed(db, "update_conversation_atomic", **by_ann, title="")
    assert again["duplicate"]


@pytest.mark.parametrize("given", [{"title": "New"}, {"metadata": {"a": 1}}])
def test_the_same_again_changes_nothing(db: Connection, by_ann: Json, given: Json) -> None:
    first = succeed(db, "update_conversation_atomic", **by_ann, **given)
    again = succeed(db, "update_conversation_atomic", **by_ann, **given)
    assert again == first | {"duplicate": True}


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("admin", True), ("member", False)])
def test_owners_and_admins_change_a_group(
    db: Connection, world: World, by_ann: Json, role: str, may: bool
) -> None:
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.bob, role=role)
    by_bob = by_ann | {"actor_id": world.bob}
    if may:
        succeed(db, "update_conversation_atomic", **by_bob, title="New")
    else:
        refuse(db, "permission_denied", "update_conversation_atomic", **by_bob, title="New")


@pytest.mark.parametrize("actor", ["ann", "bob"])
def test_either_changes_a_direct_conversation_unless_they_are_blocked(
    db: Connection, world: World, actor: str
) -> None:
    update = {"conversation_id": world.direct, "actor_id": getattr(world, actor)}
    succeed(db, "update_conversation_atomic", **update, title="We two")
    succeed(db, "block_user_atomic", actor_id=world.ann, user_id=world.bob)
    refuse(db, "blocked", "update_conversation_atomic", **update, title="Why?")


def test_nothing_changes_in_a_closed_conversation(db: Connection, by_ann: Json) -> None:
    succeed(db, "close_conversation_atomic", **by_ann)
    refuse(db, "conversation_closed", "update_conversation_atomic", **by_ann, title="New")


@pytest.mark.parametrize(
    ("given", "field"),
    [({}, "title"), ({"title": " "}, "title"), ({"metadata": "[]"}, "metadata")],
)
def test_arguments_are_checked(db: Connection, by_ann: Json, given: Json, field: str) -> None:
    result = refuse(db, "validation_error", "update_conversation_atomic", **by_ann, **given)
    assert result["details"] == {"field": field}


@pytest.mark.parametrize("given", [{"title": "long"}, {"metadata": {"a": 1}}])
def test_sizes_are_limited(db: Connection, by_ann: Json, given: Json) -> None:
    set_limit(db, "title_characters", 3)
    set_limit(db, "metadata_bytes", 3)
    refuse(db, "too_large", "update_conversation_atomic", **by_ann, **given)
