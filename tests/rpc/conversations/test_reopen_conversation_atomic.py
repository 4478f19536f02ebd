"""api.reopen_conversation_atomic, apart from what tests of closing say."""

from tests.rpc.conftest import World
from tests.support import Connection, send, succeed


def test_what_was_said_before_is_still_there(db: Connection, world: World) -> None:
    in_group = {"conversation_id": world.group, "actor_id": world.ann}
    succeed(db, "close_conversation_atomic", **in_group)
    succeed(db, "reopen_conversation_atomic", **in_group)
    send(db, world.group, world.cid, "where were we")
    listed = succeed(db, "list_messages", **in_group)["messages"]
    assert [message["seq"] for message in listed] == [1, 2, 5]
