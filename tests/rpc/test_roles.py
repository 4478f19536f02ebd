"""What each role may do, tried on every function and every table there is."""

import psycopg
import pytest
from psycopg import errors, sql

from tests.rpc.behind import acting_as, rows, value
from tests.rpc.calls import CALLS, FOR_OPERATORS, SERVICE_ONLY
from tests.rpc.conftest import World
from tests.support import Connection, call, succeed

ROLES = ["parley_api", "parley_user", "parley_operator", "parley_guest"]
ROLES_OF_OURS = ["parley_owner", "parley_api", "parley_user", "parley_operator"]
DECIDED = {
    "parley_api": set(CALLS),
    "parley_user": set(CALLS) - SERVICE_ONLY,
    "parley_operator": FOR_OPERATORS,
    "parley_guest": set(),
}
READABLE = {
    "parley_api": {"api.error_codes"},
    "parley_user": {"api.error_codes"},
    "parley_guest": set(),
}


@pytest.fixture
def guest(db: Connection) -> None:
    """A login role that was granted nothing, parley_guest."""
    rows(db, "create role parley_guest login")


def relations(db: Connection) -> list[str]:
    """Return every table and view of ours."""
    found = rows(
        db,
        "select c.oid::regclass::text from pg_class c where c.relkind in ('r', 'v')"
        " and c.relnamespace in ('chat'::regnamespace, 'api'::regnamespace) order by 1",
    )
    return [name for (name,) in found]


def may(db: Connection, role: str, statement: str) -> bool:
    """Try a statement as a role; what is tried is undone."""
    try:
        with db.transaction(force_rollback=True):
            db.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            db.execute(statement)
    except errors.InsufficientPrivilege:
        return False
    return True


def test_every_function_was_decided_on(db: Connection) -> None:
    found = rows(db, "select proname from pg_proc where pronamespace = 'api'::regnamespace")
    assert {name for (name,) in found} == DECIDED["parley_api"]


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("role", ROLES)
def test_each_role_executes_what_was_decided_and_nothing_else(db: Connection, role: str) -> None:
    found = rows(
        db,
        "select p.proname from pg_proc p where p.pronamespace = 'api'::regnamespace"
        " and has_schema_privilege(%s, 'api', 'usage')"
        " and has_function_privilege(%s, p.oid, 'execute')",
        role,
        role,
    )
    assert {name for (name,) in found} == DECIDED[role]


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("role", ROLES)
def test_nobody_executes_a_private_helper(db: Connection, role: str) -> None:
    found = rows(
        db,
        "select p.proname from pg_proc p where p.pronamespace = 'chat'::regnamespace"
        " and has_function_privilege(%s, p.oid, 'execute')",
        role,
    )
    assert found == []
    assert not may(db, role, "select chat.ok()")


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize(
    ("role", "function"),
    [(role, name) for role in ROLES for name in sorted(set(CALLS) - DECIDED[role])],
)
def test_a_function_that_is_not_granted_cannot_be_called(
    db: Connection, world: World, role: str, function: str
) -> None:
    arguments = CALLS[function](world)
    with (
        acting_as(db, role, {"sub": world.ann}),
        pytest.raises(errors.InsufficientPrivilege),
        db.transaction(),
    ):
        call(db, function, **arguments)


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("role", ["parley_api", "parley_user", "parley_guest"])
def test_no_table_can_be_read_but_the_catalogue_of_codes(db: Connection, role: str) -> None:
    readable = {name for name in relations(db) if may(db, role, f"select 1 from {name} limit 1")}
    assert readable == READABLE[role]


def test_operators_read_everything(db: Connection) -> None:
    assert len(relations(db)) > 14
    for name in relations(db):
        assert may(db, "parley_operator", f"select * from {name} limit 1"), name


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    ["insert into {} default values", "delete from {}", "truncate {}", "lock table {}"],
)
def test_nobody_writes_to_a_table(db: Connection, role: str, statement: str) -> None:
    tables = [name for name in relations(db) if name.startswith("chat.")]
    assert len(tables) > 12
    writable = [name for name in tables if may(db, role, statement.format(name))]
    assert writable == []


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("role", ROLES)
def test_nobody_updates_a_column(db: Connection, role: str) -> None:
    found = rows(
        db,
        "select c.relname, a.attname from pg_class c"
        "  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relnamespace in ('chat'::regnamespace, 'api'::regnamespace)"
        "   and c.relkind in ('r', 'v') and has_column_privilege(%s, c.oid, a.attnum, 'update')",
        role,
    )
    assert found == []


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("schema", ["api", "chat"])
@pytest.mark.parametrize(
    "statement",
    [
        "create table {}.mine (a int)",
        "create function {}.mine() returns int language sql as 'select 1'",
        "create view {}.mine as select 1",
    ],
)
def test_nobody_creates_anything_in_our_schemas(
    db: Connection, role: str, schema: str, statement: str
) -> None:
    assert not may(db, role, statement.format(schema))


@pytest.mark.parametrize("role", ROLES_OF_OURS)
def test_our_roles_are_groups_without_login_or_power(db: Connection, role: str) -> None:
    assert rows(
        db,
        "select rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls"
        "  or rolreplication from pg_roles where rolname = %s",
        role,
    ) == [(False,)]


def test_none_of_our_roles_is_a_member_of_another(db: Connection) -> None:
    found = rows(
        db,
        "select m.member::regrole::text, m.roleid::regrole::text from pg_auth_members m"
        " where m.member::regrole::text = any (%s)",
        ROLES_OF_OURS,
    )
    assert found == []


def test_everything_belongs_to_the_owner(db: Connection) -> None:
    found = rows(
        db,
        "select c.relname from pg_class c where c.relowner <> 'parley_owner'::regrole"
        " and c.relnamespace in ('chat'::regnamespace, 'api'::regnamespace)"
        " union all select p.proname from pg_proc p where p.proowner <> 'parley_owner'::regrole"
        " and p.pronamespace in ('chat'::regnamespace, 'api'::regnamespace)",
    )
    assert found == []


@pytest.mark.usefixtures("guest")
def test_a_login_with_the_group_is_trusted_and_one_without_is_not(
    db: Connection, world: World
) -> None:
    for group in ("parley_api", "parley_user"):
        rows(db, f"create role {group}_login login in role {group}")
    with acting_as(db, "parley_api_login"):
        succeed(db, "list_conversations", actor_id=world.ann)
    with acting_as(db, "parley_user_login"):
        result = call(db, "list_conversations", actor_id=world.ann)
        assert result["error"] == "unauthenticated"


def test_a_shadow_of_our_names_is_not_looked_at(db: Connection, world: World) -> None:
    rows(db, "create schema evil")
    rows(db, "create table evil.pg_class (a int)")
    rows(
        db,
        "create function evil.now() returns timestamptz language sql"
        " as 'select ''1999-01-01''::timestamptz'",
    )
    rows(db, "grant usage on schema evil to parley_user")
    db.execute("set local search_path = evil, pg_catalog, chat, api")
    with acting_as(db, "parley_user", {"sub": world.ann}):
        succeed(db, "send_message_atomic", conversation_id=world.group, content="hi")
    assert value(db, "select count(*) from chat.messages where created_at < '2000-01-01'") == 0
    with pytest.raises(psycopg.Error), db.transaction(), acting_as(db, "parley_user"):
        db.execute("select chat.fail('not_found')")
