"""api.list_assistant_threads."""

from datetime import datetime
from typing import Any

import pytest

from tests.rpc.assistant.chatkit import ids
from tests.rpc.assistant.runs import new_session, new_thread
from tests.rpc.behind import acting_as
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_user, refuse, succeed


def listed(db: Connection, actor_id: str | None = None, **arguments: Any) -> Json:
    """List threads; the page."""
    return succeed(db, "list_assistant_threads", actor_id=actor_id, **arguments)


@pytest.fixture
def five(db: Connection, world: World) -> list[str]:
    """Ann's five threads, between others of Bob's."""
    made = []
    for _ in range(5):
        made.append(new_thread(db, world.ann))
        new_thread(db, world.bob)
    return made


def test_ones_own_newest_first_or_oldest_first(
    db: Connection, world: World, five: list[str]
) -> None:
    assert ids(listed(db, world.ann)) == five[::-1]
    assert ids(listed(db, world.ann, order="asc")) == five


def test_each_is_told_both_ways(db: Connection, world: World) -> None:
    created = succeed(db, "create_thread_atomic", actor_id=world.ann, title="My bike")
    page = listed(db, world.ann)
    assert page["object"] == "list"
    (sdk,), (ours,) = page["data"], page["threads"]
    assert created.items() >= {key: sdk[key] for key in ("id", "object", "title", "user")}.items()
    assert created["data"].items() <= ours.items()
    assert {**sdk, "created_at": None} == {**ours, "created_at": None}
    assert sdk["created_at"] == int(datetime.fromisoformat(ours["created_at"]).timestamp())


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other(db: Connection, world: World, five: list[str], order: str) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = listed(db, world.ann, limit=2, order=order, after=after)
        assert (page["first_id"], page["last_id"]) == (ids(page)[0], ids(page)[-1])
        seen += ids(page)
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert seen == (five if order == "asc" else five[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_ends_before_another(
    db: Connection, world: World, five: list[str], order: str
) -> None:
    there = five if order == "asc" else five[::-1]
    page = listed(db, world.ann, order=order, before=there[3], limit=2)
    assert (ids(page), page["has_more"]) == (there[1:3], True)
    page = listed(db, world.ann, order=order, before=there[1], limit=2)
    assert (ids(page), page["has_more"]) == (there[:1], False)
    page = listed(db, world.ann, order=order, after=there[0], before=there[3])
    assert ids(page) == there[1:3]


def test_an_empty_page_has_no_ends(db: Connection, world: World) -> None:
    page = listed(db, world.dee)
    assert (page["data"], page["threads"], page["has_more"]) == ([], [], False)
    assert (page["first_id"], page["last_id"]) == (None, None)


def test_only_those_of_a_session(db: Connection, world: World) -> None:
    session_id = new_session(db, world.ann)
    new_thread(db, world.ann)
    inside = new_thread(db, world.ann, session_id)
    assert ids(listed(db, world.ann, session_id=session_id)) == [inside]
    assert ids(listed(db, session_id=session_id, user=world.ann)) == [inside]
    for other in (new_session(db, world.bob), NOBODY):
        refuse(db, "not_found", "list_assistant_threads", actor_id=world.ann, session_id=other)


def test_a_service_sees_everybodys_of_the_default_tenant_or_somebodys(db: Connection) -> None:
    eve, fay = new_user(db, "Eve", external_id="eve-1"), new_user(db, "Fay")
    made = [new_thread(db, eve), new_thread(db, fay), new_thread(db, eve)]
    assert ids(listed(db, limit=3)) == made[::-1]
    assert ids(listed(db, after=made[2], limit=2)) == [made[1], made[0]]
    assert ids(listed(db, after=made[0], order="asc")) == made[1:]
    assert [one["user"] for one in listed(db, user="eve-1")["data"]] == ["eve-1", "eve-1"]
    assert ids(listed(db, user=fay)) == [made[1]]
    assert ids(listed(db, user="nobody-1")) == []


def test_a_service_names_a_session_of_any_tenant(db: Connection, world: World) -> None:
    session_id = new_session(db, world.zoe)
    begun = new_thread(db, world.zoe, session_id)
    new_thread(db, world.zoe)
    assert ids(listed(db, session_id=session_id)) == [begun]


def test_another_tenants_are_not_among_them(db: Connection, world: World, five: list[str]) -> None:
    assert not set(five) & set(ids(listed(db, limit=100)))
    assert ids(listed(db, user=world.ann)) == five[::-1]


def test_who_acts_sees_their_own_only(db: Connection, world: World, five: list[str]) -> None:
    for role, claims in (("parley_user", {"sub": world.ann}), ("parley_api", None)):
        with acting_as(db, role, claims):
            assert ids(listed(db, world.ann)) == five[::-1]
            assert ids(listed(db, world.ann, user=world.ann)) == five[::-1]
            for user in (world.bob, world.zoe, "nobody-1", NOBODY):
                refuse(
                    db,
                    "permission_denied",
                    "list_assistant_threads",
                    actor_id=world.ann,
                    user=user,
                )


def test_a_cursor_is_one_of_them(db: Connection, world: World, five: list[str]) -> None:
    other = new_thread(db, world.bob)
    for cursor in (other, world.group, NOBODY):
        for name in ("after", "before"):
            refuse(
                db,
                "not_found",
                "list_assistant_threads",
                actor_id=world.ann,
                **{name: cursor},
            )


@pytest.mark.parametrize(
    ("field", "given"),
    [("limit", 0), ("limit", 101), ("limit", None), ("order", "up"), ("order", None), ("user", "")],
)
def test_what_makes_no_page_is_named(db: Connection, world: World, field: str, given: Any) -> None:
    result = refuse(
        db, "validation_error", "list_assistant_threads", actor_id=world.ann, **{field: given}
    )
    assert result["details"] == {"field": field}


def test_names_have_a_limit(db: Connection) -> None:
    refuse(db, "too_large", "list_assistant_threads", user="x" * 201)
