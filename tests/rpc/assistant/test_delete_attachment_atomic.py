"""api.delete_attachment_atomic."""

import pytest

from tests.rpc.assistant.chatkit import add_item, items, save_thread, user_message
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_it_is_gone(db: Connection, world: World) -> None:
    about = {"attachment_id": world.attachment, "actor_id": world.ann}
    result = succeed(db, "delete_attachment_atomic", **about)
    assert result == {"success": True, "attachment_id": world.attachment}
    refuse(db, "not_found", "load_attachment", **about)


def test_again_it_is_gone_already(db: Connection, world: World) -> None:
    about = {"attachment_id": world.attachment, "actor_id": world.ann}
    first = succeed(db, "delete_attachment_atomic", **about)
    assert succeed(db, "delete_attachment_atomic", **about) == {**first, "duplicate": True}


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_stays(db: Connection, world: World, who: str) -> None:
    about = {"attachment_id": world.attachment}
    result = succeed(db, "delete_attachment_atomic", **about, actor_id=getattr(world, who))
    assert result["duplicate"] is True
    succeed(db, "load_attachment", **about, actor_id=world.ann)


def test_items_that_mention_it_stay_as_they_are(db: Connection, world: World) -> None:
    save_thread(db, world.ann)
    item = user_message("msg_1", "Here", attachments=[{"id": world.attachment}])
    add_item(db, world.ann, item)
    about = {"attachment_id": world.attachment, "actor_id": world.ann}
    succeed(db, "delete_attachment_atomic", **about)
    assert items(db, world.ann) == [item]
