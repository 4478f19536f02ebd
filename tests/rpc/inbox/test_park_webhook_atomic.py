from psycopg.types.json import Jsonb

from tests.rpc.behind import rows
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_a_payload_that_could_not_be_taken_in_is_kept_until_it_can(
    db: Connection, world: World
) -> None:
    parked = {"provider": "whatsapp", "payload": "{...}", "problem": "error 17"}
    assert "duplicate" not in succeed(db, "park_webhook_atomic", **parked)
    assert succeed(db, "park_webhook_atomic", **parked)["duplicate"] is True
    kept = "select processed_at is null, problem from chat.webhooks where payload = '{...}'"
    assert rows(db, kept) == [(True, "error 17")]

    webhook = {"provider": "whatsapp", "payload": "{...}", "events": []}
    (result,) = succeed(db, "receive_webhooks_atomic", webhooks=Jsonb([webhook]))["results"]
    assert result == {"success": True, "events": 0, "duplicates": 0}
    assert rows(db, kept) == [(False, None)]
    assert succeed(db, "park_webhook_atomic", **parked)["duplicate"] is True
    assert rows(db, kept) == [(False, None)]


def test_nothing_may_be_missing(db: Connection) -> None:
    parked = {"provider": "whatsapp", "payload": "{", "problem": "error 17"}
    for name in parked:
        refuse(db, "validation_error", "park_webhook_atomic", **{**parked, name: None})
