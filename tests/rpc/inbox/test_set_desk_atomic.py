"""api.set_desk_atomic."""

import pytest

from tests.rpc.behind import acting_as, rows, value
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, new_user, refuse, succeed


def test_everyone_of_the_tenant_works_at_the_desk_by_default(db: Connection, world: World) -> None:
    for agent in (world.ann, world.bob, world.dee):
        assert len(succeed(db, "list_threads", actor_id=agent)["threads"]) == 1
    bot = new_user(db, "Bot", kind="bot", tenant_id=world.tenant_id)
    assert len(succeed(db, "list_threads", actor_id=bot)["threads"]) == 1


def test_a_contact_is_not_of_the_desk(db: Connection, world: World) -> None:
    refuse(db, "permission_denied", "list_threads", actor_id=world.contact)
    for function in ("list_messages", "mark_read_atomic", "get_conversation"):
        refuse(db, "not_a_member", function, conversation_id=world.thread, actor_id=world.contact)


def test_only_those_named_work_at_the_desk(db: Connection, world: World) -> None:
    result = succeed(
        db,
        "set_desk_atomic",
        tenant_id=world.tenant_id,
        agent_ids=[world.ann, world.bob, world.ann],
    )
    assert (result["desk"], set(result["agent_ids"])) == ("agents", {world.ann, world.bob})
    succeed(db, "list_messages", conversation_id=world.thread, actor_id=world.bob)
    refuse(db, "permission_denied", "list_threads", actor_id=world.dee)
    refuse(db, "not_a_member", "list_messages", conversation_id=world.thread, actor_id=world.dee)

    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.dee])
    succeed(db, "list_threads", actor_id=world.dee)
    refuse(db, "permission_denied", "list_threads", actor_id=world.bob)


def test_who_answered_before_does_not_stay_because_of_that(db: Connection, world: World) -> None:
    said = succeed(
        db,
        "send_message_atomic",
        conversation_id=world.thread,
        actor_id=world.bob,
        content="we are",
    )
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann])
    in_thread = {"conversation_id": world.thread, "actor_id": world.bob}
    refuse(db, "not_a_member", "list_messages", **in_thread)
    refuse(db, "not_a_member", "list_changes", **in_thread)
    refuse(db, "not_a_member", "mark_read_atomic", **in_thread)
    refuse(db, "not_a_member", "close_conversation_atomic", **in_thread)
    refuse(db, "not_a_member", "announce_typing", **in_thread)
    refuse(db, "not_a_member", "get_message_status", **in_thread, message_id=said["message"]["id"])
    refuse(db, "permission_denied", "list_threads", actor_id=world.bob)
    assert succeed(db, "list_conversations", actor_id=world.bob)["conversations"][0]["kind"] != (
        "inbox"
    )


def test_nobody_and_everyone_again(db: Connection, world: World) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[])
    refuse(db, "permission_denied", "list_threads", actor_id=world.ann)
    result = succeed(db, "set_desk_atomic", tenant_id=world.tenant_id)
    assert (result["desk"], result["agent_ids"]) == ("everyone", None)
    succeed(db, "list_threads", actor_id=world.ann)


def test_who_is_deactivated_leaves_the_desk_for_good(db: Connection, world: World) -> None:
    agents = [world.ann, world.dee]
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=agents)
    succeed(db, "deactivate_user_atomic", user_id=world.dee)
    refuse(db, "permission_denied", "list_threads", actor_id=world.dee)
    succeed(db, "upsert_user_atomic", user_id=world.dee)
    refuse(db, "permission_denied", "list_threads", actor_id=world.dee)


@pytest.mark.parametrize(
    ("who", "code"),
    [("zoe", "not_found"), ("nobody", "not_found"), ("contact", "validation_error")],
)
def test_agents_are_people_or_bots_of_the_tenant(
    db: Connection, world: World, who: str, code: str
) -> None:
    agent = NOBODY if who == "nobody" else getattr(world, who)
    result = refuse(
        db, code, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann, agent]
    )
    assert result["details"]["field"] == "agent_ids"
    assert value(db, "select desk from chat.tenants where tenant_id = %s", world.tenant_id) == (
        "everyone"
    )


def test_a_tenant_must_exist(db: Connection) -> None:
    refuse(db, "not_found", "set_desk_atomic", tenant_id=NOBODY)


def test_a_tenant_not_named_is_the_default_one(db: Connection) -> None:
    result = succeed(db, "set_desk_atomic", tenant_id=None)
    assert result["tenant_id"] == "00000000-0000-0000-0000-000000000000"


def test_listeners_are_told(db: Connection, world: World) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann])
    told = rows(
        db,
        "select o.event::jsonb from chat.outbox o where o.conversation_id is null"
        " order by o.xid desc, o.position desc limit 1",
    )
    assert told == [
        (
            {
                "type": "desk_changed",
                "tenant_id": world.tenant_id,
                "desk": "agents",
                "agent_ids": [world.ann],
            },
        )
    ]


def test_only_services_may(db: Connection, world: World) -> None:
    with acting_as(db, "parley_api", {"sub": world.ann}):
        refuse(db, "permission_denied", "set_desk_atomic", tenant_id=world.tenant_id)
