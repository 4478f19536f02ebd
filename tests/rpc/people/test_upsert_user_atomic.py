"""api.upsert_user_atomic."""

import pytest

from tests.rpc.assistant.runs import assistant_of, claim, complete, new_thread
from tests.rpc.behind import response_status, set_limit, value
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import (
    Connection,
    Json,
    new_channel,
    new_tenant,
    new_user,
    receive,
    refuse,
    succeed,
)

USER_KEYS = {
    "user_id",
    "tenant_id",
    "display_name",
    "kind",
    "external_id",
    "email",
    "created_at",
    "deactivated_at",
}
DEFAULT_TENANT = "00000000-0000-0000-0000-000000000000"


def test_a_new_user_comes_back_whole(db: Connection, world: World) -> None:
    given = {
        "user_id": NOBODY,
        "display_name": "Ñandú 🦩",
        "kind": "contact",
        "external_id": "crm-7",
        "email": "n@example.com",
        "tenant_id": world.tenant_id,
    }
    result = succeed(db, "upsert_user_atomic", **given)
    assert set(result) == {"success", "user_id", "user", "created"}
    assert (result["user_id"], result["created"]) == (NOBODY, True)
    assert set(result["user"]) == USER_KEYS
    assert {key: result["user"][key] for key in given} == given
    assert response_status(db) == "201"


def test_little_is_needed(db: Connection) -> None:
    user = succeed(db, "upsert_user_atomic", display_name="X")["user"]
    assert (user["kind"], user["tenant_id"], user["external_id"], user["email"]) == (
        "person",
        DEFAULT_TENANT,
        None,
        None,
    )


def test_what_is_given_changes_and_the_rest_stays(db: Connection, world: World) -> None:
    succeed(db, "upsert_user_atomic", user_id=world.ann, email="ann@example.com", external_id="a-1")
    result = succeed(db, "upsert_user_atomic", user_id=world.ann, display_name="Ann B.")
    assert (result["created"], response_status(db)) == (False, "200")
    user = result["user"]
    assert (user["display_name"], user["email"], user["external_id"], user["kind"]) == (
        "Ann B.",
        "ann@example.com",
        "a-1",
        "person",
    )


def test_a_user_is_found_by_the_external_id_in_a_tenant(db: Connection, world: World) -> None:
    given = {"external_id": "e-1", "display_name": "E", "tenant_id": world.tenant_id}
    first = succeed(db, "upsert_user_atomic", **given)
    again = succeed(db, "upsert_user_atomic", **given | {"display_name": "E2"})
    assert (again["user_id"], again["created"]) == (first["user_id"], False)
    elsewhere = succeed(db, "upsert_user_atomic", **given | {"tenant_id": world.other_tenant_id})
    assert elsewhere["user_id"] != first["user_id"]


@pytest.mark.parametrize("user", ["existing", "new"])
def test_an_external_id_has_one_user(db: Connection, world: World, user: str) -> None:
    succeed(db, "upsert_user_atomic", user_id=world.ann, external_id="taken")
    result = refuse(
        db,
        "validation_error",
        "upsert_user_atomic",
        user_id=world.bob if user == "existing" else NOBODY,
        display_name="Other",
        external_id="taken",
        tenant_id=world.tenant_id,
    )
    assert result["details"] == {"field": "external_id"}


def test_without_naming_the_tenant_it_is_the_users(db: Connection, world: World) -> None:
    succeed(db, "upsert_user_atomic", user_id=world.ann, external_id="taken")
    refuse(db, "validation_error", "upsert_user_atomic", user_id=world.bob, external_id="taken")
    user = succeed(db, "upsert_user_atomic", user_id=world.bob, external_id="free")["user"]
    assert user["tenant_id"] == world.tenant_id


def test_a_user_stays_in_one_tenant(db: Connection, world: World) -> None:
    refuse(
        db,
        "not_found",
        "upsert_user_atomic",
        user_id=world.ann,
        display_name="Ann",
        tenant_id=world.other_tenant_id,
    )


def test_a_tenant_is_made_as_it_is_met(db: Connection) -> None:
    succeed(db, "upsert_user_atomic", display_name="X", tenant_id=NOBODY)
    assert value(db, "select name from chat.tenants where tenant_id = %s", NOBODY) == NOBODY


def test_a_deactivated_user_is_active_again(db: Connection, world: World) -> None:
    succeed(db, "deactivate_user_atomic", user_id=world.dee)
    assert succeed(db, "upsert_user_atomic", user_id=world.dee)["user"]["deactivated_at"] is None
    succeed(db, "list_conversations", actor_id=world.dee)


def test_an_erased_user_stays_erased(db: Connection, world: World) -> None:
    succeed(db, "upsert_user_atomic", user_id=world.dee, external_id="dee")
    succeed(db, "erase_user_atomic", user_id=world.dee)
    refuse(db, "not_found", "upsert_user_atomic", user_id=world.dee, display_name="Dee")
    again = succeed(
        db,
        "upsert_user_atomic",
        external_id="dee",
        display_name="Dee",
        tenant_id=world.tenant_id,
    )
    assert again["user_id"] != world.dee


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "display_name"),
        ({"user_id": NOBODY}, "display_name"),
        ({"external_id": "new"}, "display_name"),
        ({"display_name": " "}, "display_name"),
        ({"display_name": "X", "kind": "robot"}, "kind"),
        ({"display_name": "X", "external_id": ""}, "external_id"),
        ({"display_name": "X", "email": " "}, "email"),
    ],
)
def test_arguments_are_checked(db: Connection, given: Json, field: str) -> None:
    result = refuse(db, "validation_error", "upsert_user_atomic", **given)
    assert result["details"] == {"field": field}


@pytest.mark.parametrize("field", ["display_name", "external_id", "email"])
def test_sizes_are_limited(db: Connection, field: str) -> None:
    set_limit(db, "name_characters", 3)
    result = refuse(db, "too_large", "upsert_user_atomic", **{"display_name": "X", field: "long"})
    assert result["details"] == {"field": field, "limit": 3}


def test_a_new_name_shows_on_old_messages(db: Connection, world: World) -> None:
    succeed(db, "upsert_user_atomic", user_id=world.ann, display_name="Annabel")
    listed = succeed(db, "list_messages", conversation_id=world.group, actor_id=world.bob)
    assert listed["messages"][0]["sender_name"] == "Annabel"


@pytest.mark.parametrize(("who", "kind"), [("contact", "person"), ("ann", "contact")])
def test_nobody_becomes_a_contact_or_stops_being_one(
    db: Connection, world: World, who: str, kind: str
) -> None:
    user_id = getattr(world, who)
    result = refuse(db, "validation_error", "upsert_user_atomic", user_id=user_id, kind=kind)
    assert result["details"] == {"field": "kind"}
    succeed(db, "upsert_user_atomic", user_id=world.ann, kind="bot")
    succeed(db, "upsert_user_atomic", user_id=world.contact, kind="contact", display_name="Cora")


def test_who_answers_stays_a_bot(db: Connection, world: World) -> None:
    answered, answers, idle = (
        new_user(db, "Robot", tenant_id=world.tenant_id, kind="bot") for _ in range(3)
    )
    channel = new_channel(db, world.tenant_id, responder_id=answered)
    receive(db, channel, contact="+491709999999")
    complete(db, claim(db), "until six")
    new_channel(db, world.tenant_id, address=channel["address"], responder_id=answers)
    for user_id in (answered, answers, assistant_of(db, world.talk)):
        about = {"user_id": user_id}
        result = refuse(db, "validation_error", "upsert_user_atomic", **about, kind="person")
        assert result["details"] == {"field": "kind"}
        succeed(db, "upsert_user_atomic", **about, display_name="Robbie")
    succeed(db, "upsert_user_atomic", user_id=idle, kind="person")


def test_an_assistant_that_is_named_before_it_is_needed_is_a_bot(db: Connection) -> None:
    tenant_id = new_tenant(db)
    assistant = value(db, "select chat.assistant_id(%s)::text", tenant_id)
    named = {"user_id": assistant, "tenant_id": tenant_id, "display_name": "Robbie"}
    refuse(db, "validation_error", "upsert_user_atomic", **named)
    succeed(db, "upsert_user_atomic", **named, kind="bot")
    eve = new_user(db, "Eve", tenant_id=tenant_id)
    assert assistant_of(db, new_thread(db, eve)) == assistant
