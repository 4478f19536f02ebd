"""api.save_attachment_atomic."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.behind import set_limit
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed

FILE = {"id": "file_1", "type": "file", "name": "a.txt", "mime_type": "text/plain"}


def test_it_is_kept_word_for_word(db: Connection, world: World) -> None:
    saved = {**FILE, "metadata": {"é": [None, 1.5]}}
    about = {"attachment_id": "file_1", "actor_id": world.ann}
    result = succeed(db, "save_attachment_atomic", **about, attachment=saved)
    assert result == {"success": True, "attachment_id": "file_1", "data": saved}
    assert succeed(db, "load_attachment", **about) == result


def test_the_last_one_saved_stays(db: Connection, world: World) -> None:
    about = {"attachment_id": "file_1", "actor_id": world.ann}
    for saved in (FILE, FILE, {**FILE, "thread_id": "thr_1"}):
        succeed(db, "save_attachment_atomic", **about, attachment=saved)
        assert succeed(db, "load_attachment", **about)["data"] == saved


def test_somebody_elses_stays_theirs(db: Connection, world: World) -> None:
    by_ann = {"attachment_id": "file_1", "actor_id": world.ann}
    by_bob = {"attachment_id": "file_1", "actor_id": world.bob}
    succeed(db, "save_attachment_atomic", **by_ann, attachment=FILE)
    refuse(db, "not_found", "save_attachment_atomic", **by_bob, attachment={"id": "mine"})
    assert succeed(db, "load_attachment", **by_ann)["data"] == FILE


def test_a_tenant_has_its_own(db: Connection, world: World) -> None:
    for user in (world.ann, world.zoe):
        saved = {**FILE, "name": user}
        about = {"attachment_id": "file_1", "actor_id": user}
        succeed(db, "save_attachment_atomic", **about, attachment=saved)
    by_ann = {"attachment_id": "file_1", "actor_id": world.ann}
    assert succeed(db, "load_attachment", **by_ann)["data"]["name"] == world.ann


@pytest.mark.parametrize(
    ("code", "field", "attachment_id", "attachment"),
    [
        ("validation_error", "attachment_id", None, FILE),
        ("validation_error", "attachment_id", "", FILE),
        ("validation_error", "attachment", "file_1", None),
        ("validation_error", "attachment", "file_1", Jsonb([])),
        ("too_large", "attachment_id", "x" * 201, FILE),
        ("too_large", "attachment", "file_1", {"name": "x" * 300_000}),
    ],
)
def test_what_is_no_attachment_is_named(
    db: Connection,
    world: World,
    code: str,
    field: str,
    attachment_id: str | None,
    attachment: Any,
) -> None:
    result = refuse(
        db,
        code,
        "save_attachment_atomic",
        attachment_id=attachment_id,
        actor_id=world.ann,
        attachment=attachment,
    )
    assert result["details"]["field"] == field


def test_its_size_is_a_setting(db: Connection, world: World) -> None:
    set_limit(db, "item_bytes", 20)
    about = {"attachment_id": "file_1", "actor_id": world.ann}
    refuse(db, "too_large", "save_attachment_atomic", **about, attachment=FILE)
    succeed(db, "save_attachment_atomic", **about, attachment={"id": "file_1"})
