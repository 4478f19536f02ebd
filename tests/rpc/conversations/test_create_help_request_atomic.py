"""api.create_help_request_atomic."""

import pytest

from tests.rpc.behind import forget_status, response_status, set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def request_for_help(world: World) -> Json:
    """Ann's, retryable."""
    return {
        "actor_id": world.ann,
        "title": "My tap drips",
        "metadata": {"floor": 3},
        "client_key": "tap",
    }


def test_it_comes_back_whole(db: Connection, world: World, request_for_help: Json) -> None:
    result = succeed(db, "create_help_request_atomic", **request_for_help)
    assert set(result) == {"success", "help_request_id", "help_request"}
    assert result["help_request"].pop("created_at") is not None
    assert result["help_request"] == {
        "help_request_id": result["help_request_id"],
        "owner_id": world.ann,
        "title": "My tap drips",
        "metadata": {"floor": 3},
        "closed_at": None,
    }
    assert response_status(db) == "201"


def test_the_same_again_returns_the_first(db: Connection, request_for_help: Json) -> None:
    first = succeed(db, "create_help_request_atomic", **request_for_help)
    forget_status(db)
    again = succeed(db, "create_help_request_atomic", **request_for_help)
    assert again == first | {"duplicate": True}
    assert response_status(db) == "200"


@pytest.mark.parametrize("other", [{"title": "x"}, {"metadata": {}}, {"metadata": None}])
def test_anything_else_under_the_key_is_a_conflict(
    db: Connection, request_for_help: Json, other: Json
) -> None:
    succeed(db, "create_help_request_atomic", **request_for_help)
    refuse(db, "idempotency_conflict", "create_help_request_atomic", **request_for_help | other)


def test_keys_are_the_owners_own_and_not_needed(
    db: Connection, world: World, request_for_help: Json
) -> None:
    ids = {
        succeed(db, "create_help_request_atomic", **request_for_help | other)["help_request_id"]
        for other in ({}, {"actor_id": world.bob}, {"client_key": None}, {"client_key": None})
    }
    assert len(ids) == 3 + 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"title": None}, "title"),
        ({"title": " "}, "title"),
        ({"metadata": "[]"}, "metadata"),
        ({"client_key": " "}, "client_key"),
    ],
)
def test_arguments_are_checked(
    db: Connection, request_for_help: Json, given: Json, field: str
) -> None:
    result = refuse(
        db, "validation_error", "create_help_request_atomic", **request_for_help | given
    )
    assert result["details"] == {"field": field}


@pytest.mark.parametrize("limit", ["title_characters", "metadata_bytes", "key_characters"])
def test_sizes_are_limited(db: Connection, request_for_help: Json, limit: str) -> None:
    set_limit(db, limit, 2)
    refuse(db, "too_large", "create_help_request_atomic", **request_for_help)
