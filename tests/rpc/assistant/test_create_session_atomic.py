"""api.create_session_atomic."""

import hashlib
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.assistant.runs import assistant_of
from tests.rpc.behind import acting_as, rows, set_limit, value
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_user, refuse, succeed

DEFAULT_TENANT = "00000000-0000-0000-0000-000000000000"


def created(db: Connection, actor_id: str | None, **arguments: Any) -> Json:
    """Create a session; what it answers."""
    return succeed(db, "create_session_atomic", actor_id=actor_id, **arguments)


def count(db: Connection) -> int:
    """How many sessions there are."""
    number: int = value(db, "select count(*) from chat.sessions")
    return number


def test_the_data_is_what_the_first_clients_read(db: Connection, world: World) -> None:
    result = created(db, world.ann)
    data = result["data"]
    assert set(data) == {"id", "user_id", "created_at", "expires_at", "status", "configuration"}
    assert (data["id"], data["user_id"]) == (result["session_id"], world.ann)
    assert (data["status"], data["configuration"]) == ("active", {})
    lifetime = datetime.fromisoformat(data["expires_at"]) - datetime.fromisoformat(
        data["created_at"]
    )
    assert lifetime == timedelta(hours=24)


def test_beside_it_is_what_openais_sdk_reads(db: Connection, world: World) -> None:
    result = created(
        db,
        world.ann,
        workflow={"id": "wf_1", "state_variables": {"colour": None}},
        chatkit_configuration={"file_upload": {"enabled": True, "max_files": 3}},
        rate_limits={"max_requests_per_1_minute": 12},
    )
    assert (result["id"], result["object"]) == (result["session_id"], "chatkit.session")
    assert (result["status"], result["user"]) == ("active", world.ann)
    expires_at = datetime.fromisoformat(result["data"]["expires_at"])
    assert result["expires_at"] == int(expires_at.timestamp())
    assert result["workflow"] == {
        "id": "wf_1",
        "version": None,
        "state_variables": {"colour": None},
        "tracing": {"enabled": False},
    }
    assert result["chatkit_configuration"] == {
        "automatic_thread_titling": {"enabled": True},
        "file_upload": {"enabled": True, "max_files": 3, "max_file_size": None},
        "history": {"enabled": True, "recent_threads": None},
    }
    assert result["max_requests_per_1_minute"] == 12
    assert result["rate_limits"] == {"max_requests_per_1_minute": 12}
    assert result["data"]["configuration"] == {
        "workflow": {"id": "wf_1", "state_variables": {"colour": None}},
        "chatkit_configuration": {"file_upload": {"enabled": True, "max_files": 3}},
    }


def test_the_secret_is_told_and_not_kept(db: Connection, world: World) -> None:
    result = created(db, world.ann)
    secret = result["client_secret"]
    session = result["session_id"].replace("-", "")
    assert re.fullmatch(f"ck_{session}_[0-9a-f]{{64}}", secret)
    kept = value(db, "select to_jsonb(s)::text from chat.sessions s")
    assert secret not in kept
    assert value(db, "select secret_digest from chat.sessions") == (
        hashlib.sha256(secret.encode()).digest()
    )
    assert created(db, world.ann)["client_secret"].split("_")[2] != secret.split("_")[2]


def test_it_lasts_as_long_as_it_says(db: Connection, world: World) -> None:
    result = created(db, world.ann, expires_after={"anchor": "created_at", "seconds": 600})
    created_at = datetime.fromisoformat(result["data"]["created_at"])
    assert datetime.fromisoformat(result["data"]["expires_at"]) - created_at == timedelta(
        seconds=600
    )


def test_a_service_that_acts_for_nobody_names_anybody(db: Connection, world: World) -> None:
    for user in (world.bob, world.bob.upper()):
        assert created(db, None, user=user)["data"]["user_id"] == world.bob


def test_a_user_is_known_by_the_external_id(db: Connection, world: World) -> None:
    eve = new_user(db, "Eve", external_id="eve-1")
    result = created(db, None, user="eve-1")
    assert (result["data"]["user_id"], result["user"]) == (eve, "eve-1")
    fay = new_user(db, "Fay", tenant_id=world.tenant_id, external_id="eve-1")
    assert created(db, fay, user="eve-1")["data"]["user_id"] == fay


def test_an_external_id_may_be_a_uuid(db: Connection) -> None:
    external_id = str(uuid.uuid4())
    eve = new_user(db, "Eve", external_id=external_id)
    result = created(db, None, user=external_id)
    assert (result["data"]["user_id"], result["user"]) == (eve, external_id)


def test_whom_nobody_knows_yet_is_a_person_of_the_default_tenant(db: Connection) -> None:
    first = created(db, None, user="ext-1")
    again = created(db, None, user="ext-1")
    assert first["user"] == "ext-1"
    assert first["data"]["user_id"] == again["data"]["user_id"]
    made = rows(
        db,
        "select tenant_id::text, kind, display_name from chat.users where external_id = 'ext-1'",
    )
    assert made == [(DEFAULT_TENANT, "person", "ext-1")]
    succeed(db, "upsert_user_atomic", external_id="ext-1", display_name="Eve")
    created(db, None, user="ext-1")
    assert value(db, "select display_name from chat.users where external_id = 'ext-1'") == "Eve"


@pytest.mark.parametrize("role", ["parley_user", "parley_api"])
def test_who_acts_creates_their_own_only(db: Connection, world: World, role: str) -> None:
    new_user(db, "Eve", tenant_id=world.tenant_id, external_id="eve-1")
    with acting_as(db, role, {"sub": world.ann} if role == "parley_user" else None):
        assert created(db, world.ann)["data"]["user_id"] == world.ann
        assert created(db, world.ann, user=world.ann)["data"]["user_id"] == world.ann
        for user in (world.bob, world.zoe, "eve-1", "nobody", NOBODY):
            refuse(db, "permission_denied", "create_session_atomic", actor_id=world.ann, user=user)
    assert value(db, "select count(*) from chat.users where external_id = 'nobody'") == 0


def test_a_user_must_exist_and_act(db: Connection, world: World) -> None:
    refuse(db, "not_found", "create_session_atomic", user=NOBODY)
    succeed(db, "deactivate_user_atomic", user_id=world.dee)
    refuse(db, "permission_denied", "create_session_atomic", user=world.dee)


def test_contacts_and_the_assistant_have_none(db: Connection, world: World) -> None:
    for user in (world.contact, assistant_of(db, world.talk)):
        refuse(db, "permission_denied", "create_session_atomic", user=user)
        refuse(db, "permission_denied", "create_session_atomic", actor_id=user)


def test_the_same_key_is_the_same_session_with_a_new_secret(db: Connection, world: World) -> None:
    asked = {"workflow": {"id": "wf_1"}, "client_key": "tab-1"}
    first = created(db, world.ann, **asked)
    again = created(db, world.ann, **asked)
    assert again["duplicate"] is True
    assert again["data"] == first["data"]
    assert again["client_secret"] != first["client_secret"]
    old, new = first["client_secret"], again["client_secret"]
    refuse(db, "unauthenticated", "authenticate_session", client_secret=old)
    assert (
        succeed(db, "authenticate_session", client_secret=new)["session_id"] == first["session_id"]
    )
    assert count(db) == 1


def test_a_retry_stays_one_after_the_session_is_over(db: Connection, world: World) -> None:
    first = created(db, world.ann, client_key="tab-1")
    succeed(db, "cancel_session_atomic", session_id=first["session_id"])
    again = created(db, world.ann, client_key="tab-1")
    assert (again["session_id"], again["status"]) == (first["session_id"], "cancelled")
    secret = again["client_secret"]
    refuse(db, "unauthenticated", "authenticate_session", client_secret=secret)


def test_a_key_belongs_to_one_user(db: Connection, world: World) -> None:
    first = created(db, world.ann, client_key="tab-1")
    other = created(db, world.bob, client_key="tab-1")
    assert first["session_id"] != other["session_id"]


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"workflow": {"id": "wf_2"}},
        {"workflow": {"id": "wf_1"}, "expires_after": {"seconds": 60}},
        {"workflow": {"id": "wf_1"}, "rate_limits": {"max_requests_per_1_minute": 60}},
        {"workflow": {"id": "wf_1"}, "chatkit_configuration": {}},
    ],
)
def test_the_same_key_for_another_session_is_refused(
    db: Connection, world: World, other: Json
) -> None:
    first = created(db, world.ann, workflow={"id": "wf_1"}, client_key="tab-1")
    result = refuse(
        db,
        "idempotency_conflict",
        "create_session_atomic",
        actor_id=world.ann,
        client_key="tab-1",
        **other,
    )
    assert result["details"] == {"session_id": first["session_id"]}
    succeed(db, "authenticate_session", client_secret=first["client_secret"])


def test_a_user_has_so_many_at_once(db: Connection, world: World) -> None:
    set_limit(db, "sessions_per_user", 2)
    first = created(db, world.ann, client_key="tab-1")
    created(db, world.ann)
    result = refuse(db, "rate_limited", "create_session_atomic", actor_id=world.ann)
    assert result["details"] == {"limit": 2}
    created(db, world.bob)
    assert created(db, world.ann, client_key="tab-1")["duplicate"] is True

    succeed(db, "cancel_session_atomic", session_id=first["session_id"], actor_id=world.ann)
    created(db, world.ann)
    refuse(db, "rate_limited", "create_session_atomic", actor_id=world.ann)
    rows(
        db,
        "update chat.sessions set created_at = now() - interval '2 days',"
        " expires_at = now() - interval '1 day' where user_id = %s",
        world.ann,
    )
    created(db, world.ann)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("user", ""),
        ("user", " "),
        ("client_key", ""),
        ("workflow", {}),
        ("workflow", {"id": 1}),
        ("workflow", []),
        ("workflow", "wf_1"),
        ("chatkit_configuration", []),
        ("chatkit_configuration", "none"),
        ("expires_after", {}),
        ("expires_after", []),
        ("expires_after", {"anchor": "now", "seconds": 60}),
        ("expires_after", {"anchor": "created_at"}),
        ("expires_after", {"anchor": "created_at", "seconds": 0}),
        ("expires_after", {"anchor": "created_at", "seconds": 1.5}),
        ("expires_after", {"anchor": "created_at", "seconds": "60"}),
        ("expires_after", {"anchor": "created_at", "seconds": 315360001}),
        ("expires_after", {"anchor": "created_at", "seconds": 10**30}),
        ("rate_limits", {}),
        ("rate_limits", {"max_requests_per_1_minute": 0}),
        ("rate_limits", {"max_requests_per_1_minute": True}),
        ("rate_limits", {"max_requests_per_1_minute": 1000001}),
    ],
)
def test_what_makes_no_session_is_named(
    db: Connection, world: World, field: str, given: Any
) -> None:
    given = given if field in ("user", "client_key") else Jsonb(given)
    result = refuse(
        db, "validation_error", "create_session_atomic", actor_id=world.ann, **{field: given}
    )
    assert result["details"] == {"field": field}
    assert count(db) == 0


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("user", "x" * 201),
        ("client_key", "x" * 201),
        ("workflow", {"id": "x" * 8200}),
        ("chatkit_configuration", {"history": "x" * 8200}),
    ],
)
def test_what_is_too_large_is_named(
    db: Connection, world: World, field: str, given: str | Json
) -> None:
    result = refuse(db, "too_large", "create_session_atomic", actor_id=world.ann, **{field: given})
    assert result["details"]["field"] == field
