"""api.mark_delivered_atomic."""

import pytest

from tests.rpc.behind import events, rows
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def by_cid(world: World) -> Json:
    """Cid, to whom nothing has been delivered yet."""
    return {"conversation_id": world.group, "actor_id": world.cid}


def test_delivering_is_not_reading(db: Connection, world: World, by_cid: Json) -> None:
    assert succeed(db, "mark_delivered_atomic", **by_cid) == {
        "success": True,
        "delivered_seq": 2,
        "read_seq": 0,
        "unread_count": 2,
    }


def test_it_never_goes_back_and_never_passes_reading(
    db: Connection, world: World, by_cid: Json
) -> None:
    succeed(db, "mark_read_atomic", **by_cid)
    result = succeed(db, "mark_delivered_atomic", **by_cid, seq=1)
    assert (result["delivered_seq"], result["read_seq"]) == (2, 2)


@pytest.mark.parametrize("seq", [-1, 3])
def test_a_mark_lies_within_the_log(db: Connection, world: World, by_cid: Json, seq: int) -> None:
    result = refuse(db, "validation_error", "mark_delivered_atomic", **by_cid, seq=seq)
    assert result["details"] == {"field": "seq"}


def test_the_others_are_told_once(db: Connection, world: World, by_cid: Json) -> None:
    for _ in range(2):
        succeed(db, "mark_delivered_atomic", **by_cid, seq=1)
    told = [event for event in events(db, world.group) if event["type"] == "receipt"]
    assert [(event["delivered_seq"], event["read_seq"]) for event in told] == [(1, 0)]
    assert rows(db, "select kind, seq from chat.receipts") == [("delivered", 1)]
