"""api.must, and calls composed in one transaction."""

import json

import psycopg
import pytest

from tests.rpc.behind import acting_as, rows, value
from tests.rpc.conftest import World
from tests.support import Connection, call, succeed

SEND = "select api.must(api.send_message_atomic(%s::uuid, %s::uuid, %s::text))"


def test_a_success_passes_through(db: Connection, world: World) -> None:
    row = db.execute(SEND, [world.group, world.ann, "hi"]).fetchone()
    assert row is not None
    assert (row[0]["success"], row[0]["message"]["content"]) == (True, "hi")


@pytest.mark.parametrize(
    ("who", "content", "sqlstate", "error"),
    [
        ("ann", "", "PT400", "validation_error"),
        ("dee", "hi", "PT403", "not_a_member"),
        ("zoe", "hi", "PT404", "not_found"),
    ],
)
def test_a_refusal_is_raised_with_its_status(
    db: Connection, world: World, who: str, content: str, sqlstate: str, error: str
) -> None:
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        db.execute(SEND, [world.group, getattr(world, who), content])
    assert caught.value.sqlstate == sqlstate
    assert json.loads(caught.value.diag.message_detail or "")["error"] == error


def test_details_are_raised_with_it(db: Connection, world: World) -> None:
    refusal = call(
        db, "create_conversation_atomic", kind="direct", actor_id=world.ann, member_ids=[world.bob]
    )
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        call(db, "must", result=refusal)
    assert caught.value.diag.message_primary == refusal["message"]
    assert json.loads(caught.value.diag.message_detail or "") == {
        "error": "conversation_exists",
        "details": {"conversation_id": world.direct},
    }


@pytest.mark.parametrize(
    "result",
    [None, "null", "{}", '"success"', "[]", '{"success": "true"}', '{"code": "XX000"}'],
)
def test_what_is_no_result_is_an_error_too(db: Connection, result: str | None) -> None:
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        call(db, "must", result=result)
    assert caught.value.sqlstate == "PT400"


def test_a_refusal_takes_the_callers_own_rows_with_it(db: Connection, world: World) -> None:
    rows(db, "create temporary table orders (item text)")
    rows(db, "grant insert on orders to parley_api")

    def order_and_tell() -> None:
        with db.transaction():
            db.execute("insert into orders values ('lamp')")
            db.execute(SEND, [world.group, world.ann, "I bought a lamp"])
            db.execute(SEND, [world.group, world.dee, "so did I"])

    with pytest.raises(psycopg.Error, match="not a member"):
        order_and_tell()
    assert value(db, "select count(*) from orders") == 0
    listed = succeed(db, "list_messages", conversation_id=world.group, actor_id=world.bob)
    assert len(listed["messages"]) == 2


def test_calls_and_ones_own_rows_commit_together(db: Connection, world: World) -> None:
    rows(db, "create temporary table orders (item text)")
    rows(db, "grant insert on orders to parley_api")
    with db.transaction():
        db.execute("insert into orders values ('lamp')")
        for content in ("I bought a lamp", "a red one"):
            db.execute(SEND, [world.group, world.ann, content])
    assert value(db, "select count(*) from orders") == 1
    listed = succeed(db, "list_messages", conversation_id=world.group, actor_id=world.bob)
    assert [message["seq"] for message in listed["messages"]] == [1, 2, 3, 4]


def test_without_must_a_refusal_leaves_the_rest_of_the_transaction(
    db: Connection, world: World
) -> None:
    rows(db, "create temporary table orders (item text)")
    rows(db, "grant insert on orders to parley_api")
    with db.transaction():
        db.execute("insert into orders values ('lamp')")
        call(
            db, "send_message_atomic", conversation_id=world.group, actor_id=world.dee, content="x"
        )
    assert value(db, "select count(*) from orders") == 1


def test_anyone_who_may_call_may_insist(db: Connection, world: World) -> None:
    with acting_as(db, "parley_user", {"sub": world.ann}):
        succeed(db, "must", result={"success": True})
