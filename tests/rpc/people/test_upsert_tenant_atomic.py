"""api.upsert_tenant_atomic."""

import pytest

from tests.rpc.behind import response_status, set_limit
from tests.rpc.calls import NOBODY
from tests.support import Connection, Json, refuse, succeed


def test_it_is_made_then_renamed(db: Connection) -> None:
    made = succeed(db, "upsert_tenant_atomic", tenant_id=NOBODY, name="Acme")
    assert made == {"success": True, "tenant_id": NOBODY, "name": "Acme", "created": True}
    assert response_status(db) == "201"
    renamed = succeed(db, "upsert_tenant_atomic", tenant_id=NOBODY, name="Acme Ltd")
    assert renamed == {"success": True, "tenant_id": NOBODY, "name": "Acme Ltd", "created": False}
    assert response_status(db) == "200"


def test_without_a_name_the_id_will_do_and_a_name_stays(db: Connection) -> None:
    assert succeed(db, "upsert_tenant_atomic", tenant_id=NOBODY)["name"] == NOBODY
    succeed(db, "upsert_tenant_atomic", tenant_id=NOBODY, name="Acme")
    assert succeed(db, "upsert_tenant_atomic", tenant_id=NOBODY)["name"] == "Acme"


@pytest.mark.parametrize(
    ("given", "field"), [({"tenant_id": None}, "tenant_id"), ({"name": " "}, "name")]
)
def test_arguments_are_checked(db: Connection, given: Json, field: str) -> None:
    result = refuse(db, "validation_error", "upsert_tenant_atomic", **{"tenant_id": NOBODY} | given)
    assert result["details"] == {"field": field}


def test_a_name_has_a_limit(db: Connection) -> None:
    set_limit(db, "name_characters", 3)
    refuse(db, "too_large", "upsert_tenant_atomic", tenant_id=NOBODY, name="Acme")
