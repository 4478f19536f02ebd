"""api.load_attachment."""

import pytest

from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_it_is_what_was_saved(db: Connection, world: World) -> None:
    about = {"attachment_id": world.attachment, "actor_id": world.ann}
    assert succeed(db, "load_attachment", **about) == {
        "success": True,
        "attachment_id": world.attachment,
        "data": {"id": "file_1", "name": "a.txt"},
    }


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_does_not_exist(db: Connection, world: World, who: str) -> None:
    about = {"attachment_id": world.attachment, "actor_id": getattr(world, who)}
    refuse(db, "not_found", "load_attachment", **about)


@pytest.mark.parametrize("given", [None, "", "file_2"])
def test_what_was_never_saved_is_not_there(db: Connection, world: World, given: str | None) -> None:
    refuse(db, "not_found", "load_attachment", attachment_id=given, actor_id=world.ann)
