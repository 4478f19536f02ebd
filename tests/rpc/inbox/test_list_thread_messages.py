"""api.list_thread_messages."""

from tests.rpc.behind import MESSAGE_KEYS
from tests.rpc.conftest import World
from tests.support import Connection, new_user, receive, refuse, send, succeed

DELIVERY_KEYS = {
    "status",
    "error",
    "sent_at",
    "delivered_at",
    "read_at",
    "played_at",
    "failed_at",
}


def test_all_sources_come_in_one_order(db: Connection, world: World) -> None:
    bot = new_user(db, "Bot", kind="bot", tenant_id=world.tenant_id)
    send(db, world.thread, world.ann, "yes, till six")
    send(db, world.thread, bot, "we are here: ...")
    send(db, world.thread, world.bob, "reminder", source="automation")
    receive(db, world.channel, "thanks")
    result = succeed(db, "list_thread_messages", thread=world.thread, actor_id=world.dee)
    assert set(result) == {"success", "conversation_id", "messages", "last_seq", "has_more"}
    assert [(one["source"], one["content"]) for one in result["messages"]] == [
        ("person", "20 % off"),
        ("contact", "are you open?"),
        ("person", "yes, till six"),
        ("bot", "we are here: ..."),
        ("automation", "reminder"),
        ("contact", "thanks"),
    ]
    assert result["last_seq"] == 6


def test_outgoing_ones_say_how_they_fared(db: Connection, world: World) -> None:
    send(db, world.thread, world.ann, "yes")
    messages = succeed(db, "list_thread_messages", thread="+491701234567", actor_id=world.ann)[
        "messages"
    ]
    _, question, answer = messages
    assert set(question) == MESSAGE_KEYS
    assert set(answer) == MESSAGE_KEYS | {"delivery"}
    assert set(answer["delivery"]) == DELIVERY_KEYS
    assert answer["delivery"]["status"] == "queued"


def test_it_comes_in_pages(db: Connection, world: World) -> None:
    for number in range(3, 6):
        receive(db, world.channel, str(number))
    page = {"thread": world.thread, "actor_id": world.ann, "limit": 2}
    last = succeed(db, "list_thread_messages", **page)
    assert ([one["seq"] for one in last["messages"]], last["has_more"]) == ([4, 5], True)
    first = succeed(db, "list_thread_messages", **page, after_seq=0)
    assert [one["seq"] for one in first["messages"]] == [1, 2]
    middle = succeed(db, "list_thread_messages", **page, before_seq=4)
    assert [one["seq"] for one in middle["messages"]] == [2, 3]
    refuse(db, "validation_error", "list_thread_messages", **{**page, "limit": 0})


def test_an_agent_reads_it_as_any_conversation(db: Connection, world: World) -> None:
    in_thread = {"conversation_id": world.thread, "actor_id": world.bob}
    plain = succeed(db, "list_messages", **in_thread)
    assert plain["messages"] == [world.offer, world.question]
    changes = succeed(db, "list_changes", **in_thread)["changes"]
    assert [(one["type"], one["seq"]) for one in changes] == [
        ("message_created", 1),
        ("message_created", 2),
    ]
    found = succeed(db, "search_messages", actor_id=world.bob, query="open")["messages"]
    assert found == [world.question]
    members = succeed(db, "list_members", **in_thread)["members"]
    roles = {one["user_id"]: one["role"] for one in members}
    assert roles == {world.contact: "contact", world.ann: "agent"}


def test_search_finds_in_both_worlds_newest_first(db: Connection, world: World) -> None:
    first = send(db, world.group, world.ann, "open the door")
    found = succeed(db, "search_messages", actor_id=world.bob, query="open")["messages"]
    assert found == [first, world.question]
    only = {"actor_id": world.bob, "query": "open"}
    assert succeed(db, "search_messages", **only, limit=1)["messages"] == [first]
    in_thread = succeed(db, "search_messages", **only, conversation_id=world.thread)
    assert in_thread["messages"] == [world.question]
    assert succeed(db, "search_messages", actor_id=world.zoe, query="open")["messages"] == []
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann])
    assert succeed(db, "search_messages", **only)["messages"] == [first]
    refuse(db, "not_a_member", "search_messages", **only, conversation_id=world.thread)


def test_status_of_an_answer_is_its_deliverys(db: Connection, world: World) -> None:
    answer = send(db, world.thread, world.ann, "yes")
    asked = {"conversation_id": world.thread, "actor_id": world.bob}
    (entry,) = succeed(db, "get_message_status", **asked, message_id=answer["id"])["members"]
    assert set(entry) == {"user_id", "display_name"} | DELIVERY_KEYS
    assert (entry["user_id"], entry["status"]) == (world.contact, "queued")
    received = succeed(db, "get_message_status", **asked, message_id=world.question["id"])
    assert received["members"] == []


def test_another_tenants_desk_reads_nothing(db: Connection, world: World) -> None:
    refuse(db, "not_found", "list_thread_messages", thread=world.thread, actor_id=world.zoe)
    refuse(db, "not_found", "list_messages", conversation_id=world.thread, actor_id=world.zoe)


def test_only_the_desk_may_read(db: Connection, world: World) -> None:
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann])
    refuse(db, "not_a_member", "list_thread_messages", thread=world.thread, actor_id=world.bob)
