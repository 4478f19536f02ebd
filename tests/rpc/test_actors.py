"""Who may act and where: the same for every function, so asked of every function."""

import pytest

from tests.rpc.behind import REFUSAL_KEYS, acting_as, forget_status, response_status, rows
from tests.rpc.calls import (
    ADMINISTRATIVE,
    CALLS,
    CREATIONS,
    FOR_USERS,
    IN_CONVERSATIONS,
    NOBODY,
    SERVICE_ONLY,
    WITH_ACTOR,
)
from tests.rpc.conftest import World
from tests.support import Connection, Json, call, new_user, refuse, succeed

ANYWHERE = sorted(set(CALLS) - {"check_invariants"})
USERS_ACT = [name for name in FOR_USERS if name in WITH_ACTOR or name in ADMINISTRATIVE]


def test_the_tables_of_calls_name_every_function(db: Connection) -> None:
    found = db.execute(
        "select p.proname, 'p_actor_id' = any (p.proargnames),"
        "       coalesce(p.proargnames[1] = 'p_conversation_id', false)"
        "  from pg_proc p where p.pronamespace = 'api'::regnamespace"
    ).fetchall()
    assert {name for name, _, _ in found} == set(CALLS)
    assert {name for name, has_actor, _ in found if has_actor} == {*WITH_ACTOR, *ADMINISTRATIVE}
    within = {name for name, has_actor, is_first in found if has_actor and is_first}
    assert within == set(IN_CONVERSATIONS)


@pytest.mark.parametrize("function", ANYWHERE)
def test_a_service_may_call_it_for_anyone(db: Connection, world: World, function: str) -> None:
    arguments = CALLS[function](world)
    if function in WITH_ACTOR:
        arguments["actor_id"] = world.ann
    forget_status(db)
    succeed(db, function, **arguments)
    assert response_status(db) in ({"201"} if function in CREATIONS else {None, "200"})


@pytest.mark.parametrize("function", WITH_ACTOR)
def test_a_missing_actor_is_named(db: Connection, world: World, function: str) -> None:
    result = refuse(db, "validation_error", function, **CALLS[function](world))
    assert result["details"] == {"field": "actor_id"}


@pytest.mark.parametrize("function", [*WITH_ACTOR, *ADMINISTRATIVE])
def test_an_unknown_actor_is_not_found(db: Connection, world: World, function: str) -> None:
    refuse(db, "not_found", function, **CALLS[function](world), actor_id=NOBODY)


@pytest.mark.parametrize("function", WITH_ACTOR)
def test_a_deactivated_actor_may_do_nothing(db: Connection, world: World, function: str) -> None:
    arguments = CALLS[function](world)
    rows(db, "update chat.users set deactivated_at = now() where user_id = %s", world.ann)
    refuse(db, "permission_denied", function, **arguments, actor_id=world.ann)
    rows(db, "update chat.users set deactivated_at = null where user_id = %s", world.ann)


@pytest.mark.parametrize("function", IN_CONVERSATIONS)
@pytest.mark.parametrize(
    ("who", "code"), [("zoe", "not_found"), ("dee", "not_a_member"), ("eve", "not_a_member")]
)
def test_who_is_not_in_a_conversation_is_refused(
    db: Connection, world: World, function: str, who: str, code: str
) -> None:
    eve = new_user(db, "Eve", tenant_id=world.tenant_id)
    succeed(
        db,
        "add_members_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        member_ids=[eve],
    )
    succeed(
        db, "remove_member_atomic", conversation_id=world.group, actor_id=world.ann, user_id=eve
    )
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann])
    actor_id = {"zoe": world.zoe, "dee": world.dee, "eve": eve}[who]
    refuse(db, code, function, **CALLS[function](world), actor_id=actor_id)


@pytest.mark.parametrize("function", IN_CONVERSATIONS)
@pytest.mark.parametrize(("given", "code"), [(None, "validation_error"), (NOBODY, "not_found")])
def test_a_conversation_must_be_given_and_exist(
    db: Connection, world: World, function: str, given: str | None, code: str
) -> None:
    arguments = CALLS[function](world) | {"conversation_id": given, "actor_id": world.ann}
    result = refuse(db, code, function, **arguments)
    if code == "validation_error":
        assert result["details"] == {"field": "conversation_id"}


@pytest.mark.parametrize("function", USERS_ACT)
def test_a_user_without_claims_is_unauthenticated(
    db: Connection, world: World, function: str
) -> None:
    with acting_as(db, "parley_user"):
        refuse(db, "unauthenticated", function, **CALLS[function](world))
        refuse(db, "unauthenticated", function, **CALLS[function](world), actor_id=world.ann)


@pytest.mark.parametrize("claims", [{"role": "parley_user"}, {"sub": "ann"}, {"sub": ""}, {}])
def test_claims_without_a_user_are_unauthenticated(
    db: Connection, world: World, claims: Json
) -> None:
    with acting_as(db, "parley_user", claims):
        refuse(db, "unauthenticated", "list_conversations", actor_id=world.ann)


@pytest.mark.parametrize("function", FOR_USERS)
def test_a_token_acts_for_its_own_user(db: Connection, world: World, function: str) -> None:
    arguments = CALLS[function](world)
    with acting_as(db, "parley_user", {"sub": world.ann.upper()}):
        succeed(db, function, **arguments)


@pytest.mark.parametrize("function", USERS_ACT)
@pytest.mark.parametrize("role", ["parley_user", "parley_api"])
def test_a_token_acts_for_nobody_else(
    db: Connection, world: World, function: str, role: str
) -> None:
    with acting_as(db, role, {"sub": world.bob}):
        refuse(db, "permission_denied", function, **CALLS[function](world), actor_id=world.ann)


@pytest.mark.parametrize("function", sorted(SERVICE_ONLY - {"check_invariants"}))
def test_a_token_on_a_services_connection_does_not_get_what_belongs_to_services(
    db: Connection, world: World, function: str
) -> None:
    with acting_as(db, "parley_api", {"sub": world.ann}):
        refuse(db, "permission_denied", function, **CALLS[function](world))


def test_a_services_token_without_a_user_acts_for_anyone(db: Connection, world: World) -> None:
    with acting_as(db, "parley_api", {"role": "service"}):
        succeed(db, "list_conversations", actor_id=world.ann)


def test_a_refusal_has_the_shape_postgrest_clients_read(db: Connection, world: World) -> None:
    result = refuse(db, "not_found", "get_user", actor_id=world.ann, user_id=NOBODY)
    assert set(result) == REFUSAL_KEYS
    assert (result["code"], result["hint"]) == ("PT404", None)
    assert response_status(db) == "404"


def test_a_success_after_a_refusal_does_not_answer_with_its_status(
    db: Connection, world: World
) -> None:
    refuse(db, "not_found", "get_user", actor_id=world.ann, user_id=NOBODY)
    succeed(db, "get_user", actor_id=world.ann)
    assert response_status(db) == "200"


def test_a_refusal_writes_nothing(db: Connection, world: World) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann])
    before = call(db, "list_changes", conversation_id=world.group, actor_id=world.ann)
    for function in IN_CONVERSATIONS:
        refuse(db, "not_a_member", function, **CALLS[function](world), actor_id=world.dee)
    assert call(db, "list_changes", conversation_id=world.group, actor_id=world.ann) == before
