"""api.assign_thread_atomic."""

import pytest

from tests.rpc.behind import events
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def by_ann(world: World) -> Json:
    return {"conversation_id": world.thread, "actor_id": world.ann}


def test_somebody_takes_care_of_it_and_then_nobody(
    db: Connection, world: World, by_ann: Json
) -> None:
    result = succeed(db, "assign_thread_atomic", **by_ann, assignee_id=world.bob)
    assert (result["conversation_id"], result["thread"]["assignee_id"]) == (world.thread, world.bob)
    result = succeed(db, "assign_thread_atomic", **by_ann)
    assert result["thread"]["assignee_id"] is None


def test_the_log_and_its_readers_are_told(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "assign_thread_atomic", **by_ann, assignee_id=world.bob)
    told = events(db, world.thread)[-1]
    assert (told["type"], told["seq"], told["actor_id"]) == (
        "conversation_updated",
        3,
        world.ann,
    )
    assert told["assignee_id"] == world.bob
    changes = succeed(db, "list_changes", **by_ann, after_seq=2)["changes"]
    assert changes == [told]


def test_the_same_again_changes_nothing(db: Connection, world: World, by_ann: Json) -> None:
    succeed(db, "assign_thread_atomic", **by_ann, assignee_id=world.bob)
    again = succeed(db, "assign_thread_atomic", **by_ann, assignee_id=world.bob)
    assert again["duplicate"] is True
    assert again["thread"]["last_seq"] == 3
    assert succeed(db, "assign_thread_atomic", **by_ann)["thread"]["last_seq"] == 4


@pytest.mark.parametrize("who", ["zoe", "contact", "dee"])
def test_the_assignee_is_of_the_desk(db: Connection, world: World, by_ann: Json, who: str) -> None:
    agents = [world.ann, world.bob]
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=agents)
    result = refuse(
        db,
        "validation_error",
        "assign_thread_atomic",
        **by_ann,
        assignee_id=getattr(world, who),
    )
    assert result["details"] == {"field": "assignee_id"}


def test_groups_are_not_assigned(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "assign_thread_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        assignee_id=world.bob,
    )


def test_closing_and_reopening_is_for_agents(db: Connection, world: World, by_ann: Json) -> None:
    closed = succeed(db, "close_conversation_atomic", **by_ann)
    assert closed["conversation"]["closed_at"]
    refuse(db, "conversation_closed", "send_message_atomic", **by_ann, content="too late")
    succeed(db, "reopen_conversation_atomic", **by_ann)
    succeed(db, "update_conversation_atomic", **by_ann, title="About opening hours")
    succeed(db, "announce_typing", **by_ann)
    assert events(db, world.thread)[-1]["type"] == "typing"


def test_a_thread_has_no_members_to_change(db: Connection, world: World, by_ann: Json) -> None:
    refuse(db, "unsupported", "add_members_atomic", **by_ann, member_ids=[world.bob])
    refuse(db, "unsupported", "remove_member_atomic", **by_ann, user_id=world.contact)
    refuse(
        db,
        "unsupported",
        "change_member_role_atomic",
        **by_ann,
        user_id=world.contact,
        role="admin",
    )
