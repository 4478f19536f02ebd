"""What tests of deliveries say: messages that go out, what a worker and a provider tell of them."""

from typing import Any

from tests.rpc.behind import rows, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, send, succeed


def answer(db: Connection, world: World, content: str = "yes", **more: Any) -> Json:
    """Let Ann answer the contact; the message."""
    return send(db, world.thread, world.ann, content, **more)


def claim(db: Connection, **more: Any) -> list[Json]:
    """Claim what may go out."""
    claimed: list[Json] = succeed(db, "claim_deliveries", worker="one", **more)["deliveries"]
    return claimed


def claim_offer(db: Connection) -> Json:
    """Claim the one message there is at first."""
    (claimed,) = claim(db)
    return claimed


def settle(db: Connection, claimed: Json, outcome: str, **more: Any) -> Json:
    """Say what became of a claimed message."""
    return succeed(
        db,
        "settle_delivery_atomic",
        conversation_id=claimed["conversation_id"],
        message_id=claimed["message_id"],
        lease=claimed["lease"],
        outcome=outcome,
        **more,
    )


def settle_offer(db: Connection) -> Json:
    """Send the one message there is at first; its claim."""
    claimed = claim_offer(db)
    settle(db, claimed, "sent", provider_message_id="out.offer")
    return claimed


def tell(db: Connection, world: World, provider_message_id: str, status: str, **more: Any) -> Json:
    """Let the provider tell of a status."""
    return succeed(
        db,
        "record_delivery_status_atomic",
        provider=world.channel["provider"],
        address=world.channel["address"],
        provider_message_id=provider_message_id,
        status=status,
        **more,
    )


def delivery(db: Connection, message_id: str) -> Json:
    """Return a delivery's row."""
    row: Json = value(
        db, "select to_jsonb(d) from chat.deliveries d where d.message_id = %s", message_id
    )
    return row


def hasten(db: Connection) -> None:
    """Let the time of all leases and back-offs pass."""
    rows(db, "update chat.deliveries set due_at = clock_timestamp() where status = 'queued'")


def close_window(db: Connection) -> None:
    """Let the contact's last message be two days ago."""
    rows(db, "update chat.threads set last_inbound_at = now() - interval '2 days'")
