"""api.get_conversation."""

from tests.rpc.behind import LISTED_KEYS
from tests.rpc.conftest import World
from tests.support import Connection, succeed


def test_it_is_what_the_list_says(db: Connection, world: World) -> None:
    by_bob = {"conversation_id": world.group, "actor_id": world.bob}
    result = succeed(db, "get_conversation", **by_bob)
    assert set(result) == {"success", "conversation"}
    assert set(result["conversation"]) == LISTED_KEYS
    listed = succeed(db, "list_conversations", actor_id=world.bob)["conversations"]
    assert result["conversation"] in listed


def test_it_is_as_the_actor_sees_it(db: Connection, world: World) -> None:
    by_bob = {"conversation_id": world.group, "actor_id": world.bob}
    succeed(db, "set_notification_preferences_atomic", **by_bob, notify="none")
    succeed(db, "mark_delivered_atomic", **by_bob, seq=2)
    succeed(db, "mark_read_atomic", **by_bob, seq=1)
    seen = succeed(db, "get_conversation", **by_bob)["conversation"]
    assert {key: seen[key] for key in ("read_seq", "delivered_seq", "role", "notify")} == {
        "read_seq": 1,
        "delivered_seq": 2,
        "role": "member",
        "notify": "none",
    }
    assert (seen["unread_count"], seen["last_message"]) == (0, world.reply)
