"""api.list_subscriptions."""

from tests.listening import Listener
from tests.rpc.conftest import World
from tests.rpc.push.conftest import Scene
from tests.support import Connection, Json, Racer, new_group, send, succeed


def subscriptions(db: Connection, user: str) -> dict[str, Json]:
    """Return what a user is subscribed to, by conversation."""
    result = succeed(db, "list_subscriptions", actor_id=user)
    assert set(result) == {
        "success",
        "user_id",
        "tenant_id",
        "desk_id",
        "has_threads",
        "snapshot",
        "conversations",
    }
    assert result["user_id"] == user
    return {one["conversation_id"]: one for one in result["conversations"]}


def test_each_conversation_is_told_with_log_and_marks(db: Connection, world: World) -> None:
    succeed(db, "mark_delivered_atomic", conversation_id=world.group, actor_id=world.bob, seq=2)
    succeed(db, "mark_read_atomic", conversation_id=world.group, actor_id=world.bob, seq=1)
    send(db, world.group, world.ann, "one more")
    found = subscriptions(db, world.bob)
    assert set(found) == {world.group, world.direct}
    assert found[world.group] == {
        "conversation_id": world.group,
        "last_seq": 3,
        "read_seq": 1,
        "delivered_seq": 2,
        "unread_count": 1,
        "joined_seq": 0,
    }


def test_it_agrees_with_the_list_of_conversations(db: Connection, world: World) -> None:
    listed = succeed(db, "list_conversations", actor_id=world.cid)["conversations"]
    names = ("last_seq", "read_seq", "delivered_seq", "unread_count")
    found = subscriptions(db, world.cid)
    assert {one["conversation_id"]: [one[name] for name in names] for one in listed} == {
        key: [one[name] for name in names] for key, one in found.items()
    }


def test_all_are_told_however_many(db: Connection, world: World) -> None:
    for number in range(120):
        new_group(db, world.dee, title=f"Group {number}")
    assert len(subscriptions(db, world.dee)) == 120


def test_who_joined_later_is_told_from_where(db: Connection, world: World) -> None:
    about = {"conversation_id": world.group, "actor_id": world.ann}
    joined = succeed(db, "add_members_atomic", **about, member_ids=[world.dee])["message"]["seq"]
    assert subscriptions(db, world.dee)[world.group]["joined_seq"] == joined


def test_what_one_has_left_is_not_told(db: Connection, world: World) -> None:
    succeed(
        db,
        "remove_member_atomic",
        conversation_id=world.group,
        actor_id=world.bob,
        user_id=world.bob,
    )
    assert set(subscriptions(db, world.bob)) == {world.direct}


def test_a_closed_conversation_still_is(db: Connection, world: World) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.group, actor_id=world.ann)
    assert world.group in subscriptions(db, world.bob)


def test_who_is_nowhere_is_told_nothing(db: Connection, world: World) -> None:
    assert subscriptions(db, world.dee) == {}


def test_its_snapshot_tells_which_events_it_contains(
    scene: Scene, listener: Listener, writer: Racer
) -> None:
    scene.send("contained")
    scene.send("in flight", writer.begin().connection)
    result = succeed(scene.db, "list_subscriptions", actor_id=scene.bob)
    assert [one["last_seq"] for one in result["conversations"]] == [1]
    writer.commit()
    scene.send("later")
    contained = [
        scene.db.execute(
            "select pg_visible_in_snapshot(%s::xid8, %s)", [one["xid"], result["snapshot"]]
        ).fetchone()
        for one in listener.fetch()["events"]
    ]
    assert listener.contents() == ["contained", "in flight", "later"]
    assert contained == [(True,), (False,), (False,)]
