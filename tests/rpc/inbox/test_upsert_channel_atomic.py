from tests.rpc.behind import rows, value
from tests.rpc.conftest import World
from tests.support import Connection, new_user, receive, refuse, succeed

TWILIO = {"provider": "twilio", "address": "whatsapp:+14155238886"}
DEFAULT = NOBODY = "00000000-0000-0000-0000-000000000000"


def test_a_new_channel_gets_a_bot_that_stands_for_the_business(
    db: Connection, world: World
) -> None:
    result = succeed(
        db, "upsert_channel_atomic", **TWILIO, display_name="Sales", tenant_id=world.tenant_id
    )
    channel = result["channel"]
    assert result["created"] is True
    assert channel == {
        **TWILIO,
        "channel_id": channel["channel_id"],
        "tenant_id": world.tenant_id,
        "display_name": "Sales",
        "user_id": channel["user_id"],
        "responder_id": None,
        "reply_window_seconds": 86_400,
    }
    assert rows(
        db, "select kind, display_name from chat.users where user_id = %s", channel["user_id"]
    ) == [("bot", "Sales")]


def test_again_it_changes_what_is_given_and_leaves_the_rest(db: Connection, world: World) -> None:
    first = succeed(db, "upsert_channel_atomic", **TWILIO, tenant_id=world.tenant_id)["channel"]
    again = succeed(
        db, "upsert_channel_atomic", **TWILIO, display_name="Service", reply_window="2 hours"
    )
    assert again["created"] is False
    assert again["channel"] == {
        **first,
        "display_name": "Service",
        "reply_window_seconds": 7200,
    }
    name = value(db, "select display_name from chat.users where user_id = %s", first["user_id"])
    assert name == "Service"
    same = succeed(db, "upsert_channel_atomic", **TWILIO)["channel"]
    assert same == again["channel"]


def test_a_window_of_nothing_means_that_there_is_none(db: Connection, world: World) -> None:
    channel = succeed(
        db, "upsert_channel_atomic", **TWILIO, tenant_id=world.tenant_id, reply_window="0"
    )["channel"]
    assert channel["reply_window_seconds"] is None


def test_a_channel_made_by_an_event_moves_to_its_tenant_as_long_as_nobody_has_written(
    db: Connection, world: World
) -> None:
    first = succeed(db, "upsert_channel_atomic", **TWILIO)["channel"]
    assert first["tenant_id"] == DEFAULT
    moved = succeed(db, "upsert_channel_atomic", **TWILIO, tenant_id=world.tenant_id)["channel"]
    assert moved["tenant_id"] == world.tenant_id
    assert moved["channel_id"] == first["channel_id"]
    receive(db, moved, "hello")
    refuse(
        db,
        "validation_error",
        "upsert_channel_atomic",
        **TWILIO,
        tenant_id=world.other_tenant_id,
    )


def test_a_bot_answers_until_it_is_told_not_to(db: Connection, world: World) -> None:
    bot = new_user(db, "Robot", tenant_id=world.tenant_id, kind="bot")
    channel = succeed(
        db, "upsert_channel_atomic", **TWILIO, tenant_id=world.tenant_id, responder_id=bot
    )["channel"]
    assert channel["responder_id"] == bot
    assert succeed(db, "upsert_channel_atomic", **TWILIO)["channel"] == channel
    silent = succeed(db, "upsert_channel_atomic", **TWILIO, responder_id=NOBODY)["channel"]
    assert silent == {**channel, "responder_id": None}
    own = succeed(db, "upsert_channel_atomic", **TWILIO, responder_id=channel["user_id"])
    assert own["channel"]["responder_id"] == channel["user_id"]


def test_who_answers_is_a_bot_of_the_channels_tenant(db: Connection, world: World) -> None:
    other = new_user(db, "Theirs", tenant_id=world.other_tenant_id, kind="bot")
    gone = new_user(db, "Gone", tenant_id=world.tenant_id, kind="bot")
    succeed(db, "deactivate_user_atomic", user_id=gone)
    for wrong in (other, gone, world.ann, world.contact, world.thread):
        result = refuse(
            db,
            "validation_error",
            "upsert_channel_atomic",
            **TWILIO,
            tenant_id=world.tenant_id,
            responder_id=wrong,
        )
        assert result["details"] == {"field": "responder_id"}
    # A refusal makes no channel.
    assert rows(db, "select from chat.channels where provider = 'twilio'") == []


def test_a_channel_that_moves_leaves_its_bot_behind(db: Connection, world: World) -> None:
    bot = new_user(db, "Robot", kind="bot")
    succeed(db, "upsert_channel_atomic", **TWILIO, responder_id=bot)
    moved = succeed(db, "upsert_channel_atomic", **TWILIO, tenant_id=world.tenant_id)["channel"]
    assert moved["responder_id"] is None


def test_what_is_missing_malformed_or_too_long_is_refused(db: Connection) -> None:
    for wrong in (
        {"provider": "Whats App"},
        {"address": None},
        {"address": " "},
        {"display_name": " "},
        {"reply_window": "-1 hour"},
    ):
        refuse(db, "validation_error", "upsert_channel_atomic", **{**TWILIO, **wrong})
    refuse(db, "too_large", "upsert_channel_atomic", **{**TWILIO, "display_name": "n" * 201})
