"""api.list_chatkit_threads."""

from typing import Any

import pytest

from tests.rpc.assistant.chatkit import ids, load_thread, save_thread
from tests.rpc.assistant.runs import new_thread
from tests.rpc.behind import set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


def listed(db: Connection, actor_id: str, **arguments: Any) -> Json:
    """List threads; the page."""
    return succeed(db, "list_chatkit_threads", actor_id=actor_id, **arguments)


@pytest.fixture
def five(db: Connection, world: World) -> list[str]:
    """Ann's five threads, one begun elsewhere, between others of Bob's."""
    made = []
    for name in ("thr_e", "thr_a", "thr_d", "thr_b"):
        save_thread(db, world.ann, thread_id=name)
        save_thread(db, world.bob, thread_id=f"{name}_bob")
        made.append(name)
    return [*made, new_thread(db, world.ann)]


def test_ones_own_by_when_they_were_begun(db: Connection, world: World, five: list[str]) -> None:
    assert ids(listed(db, world.ann)) == five[::-1]
    assert ids(listed(db, world.ann, order="asc")) == five
    save_thread(db, world.ann, thread_id="thr_e", title="Renamed")
    assert ids(listed(db, world.ann, order="asc")) == five


def test_each_is_what_loading_it_gives(db: Connection, world: World, five: list[str]) -> None:
    page = listed(db, world.ann, order="asc")
    assert page["threads"] == page["data"] == [load_thread(db, world.ann, one) for one in five]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other(db: Connection, world: World, five: list[str], order: str) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = listed(db, world.ann, limit=2, order=order, after=after)
        seen += ids(page)
        after = page["after"]
        assert page["has_more"] == (after is not None)
        if after is None:
            break
    assert seen == (five if order == "asc" else five[::-1])


def test_who_asks_for_more_than_a_page_has_gets_a_page(
    db: Connection, world: World, five: list[str]
) -> None:
    set_limit(db, "page_size", 2)
    page = listed(db, world.ann, limit=2_000_000_000, order="asc")
    assert (ids(page), page["has_more"], page["after"]) == (five[:2], True, five[1])


def test_who_has_none_has_an_empty_list(db: Connection, world: World, five: list[str]) -> None:
    page = listed(db, world.dee)
    assert (page["data"], page["has_more"], page["after"]) == ([], False, None)


def test_a_cursor_is_one_of_ones_own(db: Connection, world: World, five: list[str]) -> None:
    for after in ("thr_a_bob", "thr_x", world.group):
        refuse(db, "not_found", "list_chatkit_threads", actor_id=world.ann, after=after)
    refuse(db, "too_large", "list_chatkit_threads", actor_id=world.ann, after="x" * 201)


@pytest.mark.parametrize(
    ("field", "given"), [("limit", 0), ("limit", None), ("order", "up"), ("order", None)]
)
def test_what_makes_no_page_is_named(db: Connection, world: World, field: str, given: Any) -> None:
    result = refuse(
        db, "validation_error", "list_chatkit_threads", actor_id=world.ann, **{field: given}
    )
    assert result["details"] == {"field": field}
