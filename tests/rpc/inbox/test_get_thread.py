"""api.get_thread."""

import pytest

from tests.rpc.conftest import World
from tests.support import Connection, receive, refuse, succeed


def test_it_is_as_in_the_list(db: Connection, world: World) -> None:
    listed = succeed(db, "list_threads", actor_id=world.bob)["threads"]
    result = succeed(db, "get_thread", thread=world.thread, actor_id=world.ann)
    assert (result["conversation_id"], result["thread"]) == (world.thread, listed[0])


@pytest.mark.parametrize(
    "number", ["+491701234567", "491701234567", "+49 170 1234567", "+49 (170) 123-45.67"]
)
def test_it_is_found_by_phone(db: Connection, world: World, number: str) -> None:
    result = succeed(db, "get_thread", thread=number, actor_id=world.ann)
    assert result["conversation_id"] == world.thread


def test_it_is_found_by_the_number_as_the_provider_writes_it(db: Connection, world: World) -> None:
    received = receive(db, world.channel, contact={"wa_id": "5219991234567"})
    result = succeed(db, "get_thread", thread="5219991234567", actor_id=world.ann)
    assert result["conversation_id"] == received["conversation_id"]


@pytest.mark.parametrize("thread", ["+4900000", "Con", "+", "lead:1", " ", "00000000-0000-4000"])
def test_nobody_has_such_a_number(db: Connection, world: World, thread: str) -> None:
    refuse(db, "not_found", "get_thread", thread=thread, actor_id=world.ann)


@pytest.mark.parametrize("thread", [None, ""])
def test_one_must_be_named(db: Connection, world: World, thread: str | None) -> None:
    result = refuse(db, "validation_error", "get_thread", thread=thread, actor_id=world.ann)
    assert result["details"] == {"field": "thread"}


def test_a_group_is_no_thread(db: Connection, world: World) -> None:
    refuse(db, "not_found", "get_thread", thread=world.group, actor_id=world.ann)


def test_another_tenants_desk_does_not_find_it(db: Connection, world: World) -> None:
    refuse(db, "not_found", "get_thread", thread=world.thread, actor_id=world.zoe)
    refuse(db, "not_found", "get_thread", thread="+491701234567", actor_id=world.zoe)


def test_only_the_desk_may_see_it(db: Connection, world: World) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann])
    refuse(db, "not_a_member", "get_thread", thread=world.thread, actor_id=world.bob)


def test_as_a_conversation_it_is_the_same(db: Connection, world: World) -> None:
    thread = succeed(db, "get_thread", thread=world.thread, actor_id=world.ann)["thread"]
    result = succeed(db, "get_conversation", conversation_id=world.thread, actor_id=world.bob)
    assert result["conversation"] == thread
