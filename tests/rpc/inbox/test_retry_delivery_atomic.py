"""api.retry_delivery_atomic."""

import pytest

from tests.rpc.behind import events
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.rpc.inbox.deliveries import (
    answer,
    claim,
    claim_offer,
    close_window,
    delivery,
    settle,
    settle_offer,
    tell,
)
from tests.support import Connection, Json, refuse, succeed


def retry(world: World, message: Json, **more: str) -> Json:
    """Return the arguments of Ann's retry."""
    return {
        "conversation_id": world.thread,
        "actor_id": world.ann,
        "message_id": message["id"],
        **more,
    }


@pytest.fixture
def failed(db: Connection, world: World) -> Json:
    """Return an answer that could not be delivered."""
    settle_offer(db)
    message = answer(db, world)
    settle(db, claim_offer(db), "failed", error={"code": 131026})
    return message


def test_it_waits_again(db: Connection, world: World, failed: Json) -> None:
    result = succeed(db, "retry_delivery_atomic", **retry(world, failed))
    assert (result["conversation_id"], result["message_id"]) == (world.thread, failed["id"])
    assert result["delivery"]["status"] == "queued"
    assert result["delivery"]["error"] is None
    assert events(db, world.thread)[-1] == {
        "type": "delivery",
        "conversation_id": world.thread,
        "message_id": failed["id"],
        "status": "queued",
    }
    (claimed,) = claim(db)
    assert (claimed["message_id"], claimed["attempts"]) == (failed["id"], 1)


def test_again_changes_nothing(db: Connection, world: World, failed: Json) -> None:
    succeed(db, "retry_delivery_atomic", **retry(world, failed))
    before = delivery(db, failed["id"])
    assert succeed(db, "retry_delivery_atomic", **retry(world, failed))["duplicate"] is True
    assert delivery(db, failed["id"]) == before


def test_what_went_out_is_left_as_it_is(db: Connection, world: World) -> None:
    settle_offer(db)
    result = succeed(db, "retry_delivery_atomic", **retry(world, world.offer))
    assert (result["duplicate"], result["delivery"]["status"]) == (True, "sent")


def test_what_is_told_of_the_first_attempt_is_not_about_the_second(
    db: Connection, world: World
) -> None:
    settle_offer(db)
    tell(db, world, "out.offer", "failed", error={"code": 1})
    succeed(db, "retry_delivery_atomic", **retry(world, world.offer))
    assert tell(db, world, "out.offer", "failed", error={"code": 1})["changed"] is False
    assert delivery(db, world.offer["id"])["status"] == "queued"
    settle(db, claim_offer(db), "sent", provider_message_id="out.again")
    assert tell(db, world, "out.again", "delivered")["status"] == "delivered"


def test_only_a_template_goes_out_when_the_window_is_closed(
    db: Connection, world: World, failed: Json
) -> None:
    close_window(db)
    refuse(db, "window_closed", "retry_delivery_atomic", **retry(world, failed))
    tell(db, world, "out.offer", "failed")
    assert succeed(db, "retry_delivery_atomic", **retry(world, world.offer))


def test_nothing_goes_out_of_a_closed_conversation(
    db: Connection, world: World, failed: Json
) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.thread, actor_id=world.ann)
    refuse(db, "conversation_closed", "retry_delivery_atomic", **retry(world, failed))


def test_nothing_goes_out_of_a_group(db: Connection, world: World) -> None:
    refuse(
        db,
        "unsupported",
        "retry_delivery_atomic",
        **retry(world, world.hello, conversation_id=world.group),
    )


def test_what_does_not_go_out_is_not_found(db: Connection, world: World) -> None:
    refuse(db, "not_found", "retry_delivery_atomic", **retry(world, world.question))
    refuse(db, "not_found", "retry_delivery_atomic", **retry(world, {"id": NOBODY}))
    result = refuse(
        db,
        "validation_error",
        "retry_delivery_atomic",
        conversation_id=world.thread,
        actor_id=world.ann,
    )
    assert result["details"] == {"field": "message_id"}


def test_the_desk_alone_may(db: Connection, world: World, failed: Json) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.bob])
    refuse(db, "not_a_member", "retry_delivery_atomic", **retry(world, failed))
