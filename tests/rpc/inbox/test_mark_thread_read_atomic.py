"""api.mark_thread_read_atomic."""

import pytest

from tests.rpc.behind import events, rows, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, receive, refuse, send, succeed


def unread(db: Connection, world: World) -> int:
    """How much of the thread the desk has not read."""
    count: int = succeed(db, "get_thread", thread=world.thread, actor_id=world.dee)["thread"][
        "unread_count"
    ]
    return count


def mark(db: Connection, world: World, **arguments: object) -> Json:
    """Ann reads the thread."""
    return succeed(
        db,
        "mark_thread_read_atomic",
        **{"thread": world.thread, "actor_id": world.ann, **arguments},
    )


@pytest.mark.parametrize("by", ["id", "phone"])
def test_unread_is_zero_at_once_for_the_whole_desk(db: Connection, world: World, by: str) -> None:
    receive(db, world.channel, "hello?")
    assert unread(db, world) == 2
    result = mark(db, world, thread=world.thread if by == "id" else "+491701234567")
    assert result == {
        "success": True,
        "conversation_id": world.thread,
        "read_seq": 3,
        "delivered_seq": 3,
        "unread_count": 0,
    }
    assert unread(db, world) == 0


def test_only_what_the_contact_says_is_counted(db: Connection, world: World) -> None:
    send(db, world.thread, world.ann, "yes")
    send(db, world.thread, world.bob, "till six")
    succeed(db, "close_conversation_atomic", conversation_id=world.thread, actor_id=world.ann)
    assert unread(db, world) == 1
    mark(db, world, seq=2)
    assert unread(db, world) == 0
    receive(db, world.channel, "great")
    assert unread(db, world) == 1


def test_never_back(db: Connection, world: World) -> None:
    receive(db, world.channel, "two")
    receive(db, world.channel, "three")
    assert mark(db, world, seq=3)["unread_count"] == 1
    assert mark(db, world, seq=1) == mark(db, world, seq=0)
    assert (mark(db, world, seq=1)["read_seq"], unread(db, world)) == (3, 1)


@pytest.mark.parametrize("seq", [-1, 3])
def test_the_number_must_be_in_the_log(db: Connection, world: World, seq: int) -> None:
    result = refuse(
        db,
        "validation_error",
        "mark_thread_read_atomic",
        thread=world.thread,
        actor_id=world.ann,
        seq=seq,
    )
    assert result["details"] == {"field": "seq"}


def test_the_desk_is_told_once(db: Connection, world: World) -> None:
    before = len(events(db, world.thread))
    mark(db, world)
    mark(db, world)
    told = rows(
        db,
        "select o.event::jsonb, o.desk_id::text from chat.outbox o where o.conversation_id = %s"
        " order by o.xid, o.position",
        world.thread,
    )[before:]
    assert told == [
        (
            {
                "type": "receipt",
                "conversation_id": world.thread,
                "user_id": world.ann,
                "read_seq": 2,
                "delivered_seq": 2,
            },
            world.tenant_id,
        )
    ]


@pytest.mark.parametrize("has_answered", [False, True])
def test_marking_it_as_any_conversation_marks_it_for_the_desk(
    db: Connection, world: World, has_answered: bool
) -> None:
    actor = world.ann if has_answered else world.bob
    in_thread = {"conversation_id": world.thread, "actor_id": actor}
    assert succeed(db, "mark_delivered_atomic", **in_thread)["unread_count"] == 1
    assert unread(db, world) == 1
    assert succeed(db, "mark_read_atomic", **in_thread, seq=2)["unread_count"] == 0
    assert unread(db, world) == 0
    moved = value(
        db,
        "select count(*) from chat.members where conversation_id = %s and read_seq > 0",
        world.thread,
    )
    assert moved == 0


def test_a_group_is_no_thread(db: Connection, world: World) -> None:
    refuse(db, "not_found", "mark_thread_read_atomic", thread=world.group, actor_id=world.ann)


def test_only_the_desk_may(db: Connection, world: World) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.bob])
    refuse(db, "not_a_member", "mark_thread_read_atomic", thread=world.thread, actor_id=world.ann)
    refuse(db, "not_found", "mark_thread_read_atomic", thread=world.thread, actor_id=world.zoe)


def test_what_is_purged_counts_as_read(db: Connection, world: World) -> None:
    receive(db, world.channel, "two")
    rows(
        db,
        "update chat.messages set created_at = created_at - interval '1 year'"
        " where conversation_id = %s and seq <= 2",
        world.thread,
    )
    rows(
        db,
        "update chat.conversations set created_at = created_at - interval '1 year'"
        " where conversation_id = %s",
        world.thread,
    )
    before = value(db, "select now() - interval '1 day'")
    assert succeed(db, "purge_messages_atomic", before=before)["affected_count"] == 2
    assert unread(db, world) == 1
    thread = succeed(db, "get_thread", thread=world.thread, actor_id=world.ann)["thread"]
    assert thread["read_seq"] == 2
