from tests.rpc.conftest import World
from tests.support import Connection, new_channel, refuse, succeed


def test_the_desk_sees_the_channels_of_its_tenant_by_name(db: Connection, world: World) -> None:
    sales = new_channel(db, world.tenant_id, address="1002", display_name="A sales team")
    new_channel(db, world.other_tenant_id, address="1003")
    assert succeed(db, "list_channels", actor_id=world.bob)["channels"] == [sales, world.channel]


def test_who_is_not_of_the_desk_is_refused(db: Connection, world: World) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann])
    refuse(db, "permission_denied", "list_channels", actor_id=world.bob)
    refuse(db, "permission_denied", "list_channels", actor_id=world.contact)
    assert succeed(db, "list_channels", actor_id=world.ann)["channels"] == [world.channel]
