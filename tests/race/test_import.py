"""Threads are imported while their contacts write, others import them, and they are merged."""

from collections.abc import Callable
from typing import Any

from tests.support import (
    Connection,
    Json,
    Racer,
    at_once,
    call,
    connect,
    new_channel,
    new_tenant,
    new_user,
    receive,
    succeed,
)

Enter = Callable[..., Racer]
PHONE = "+4917012345678"
LEAD = {"kind": "lead", "value": "L1"}
BY_PHONE = {"kind": "phone", "value": PHONE}


def said(number: int, **more: Any) -> Json:
    """Write a message of an older inbox."""
    return {
        "provider_message_id": f"wamid.{number}",
        "source": "contact",
        "type": "text",
        "content": str(number),
        "created_at": f"2024-05-01T10:{number:02}:00Z",
        **more,
    }


def thread_of(channel: Json, *messages: Json, **more: Any) -> Json:
    return {
        "channel_id": channel["channel_id"],
        "identities": [LEAD, BY_PHONE],
        "messages": list(messages),
        **more,
    }


def shop(db: Connection) -> tuple[str, Json]:
    """Make a tenant with a channel."""
    tenant_id = new_tenant(db)
    return tenant_id, new_channel(db, tenant_id, address=f"shop {tenant_id}")


def logs(racer: Racer, tenant_id: str) -> list[list[str]]:
    """Return what each inbox conversation of a tenant says."""
    with connect(racer.connection.info.dsn, None) as owner:
        rows = owner.execute(
            "select array(select m.content from chat.messages m"
            "              where m.conversation_id = c.conversation_id and m.source <> 'system'"
            "              order by m.seq)"
            "  from chat.conversations c where c.tenant_id = %s and c.kind = 'inbox'",
            [tenant_id],
        ).fetchall()
    return [row[0] for row in rows]


def test_a_message_that_comes_while_its_thread_is_imported_is_there_once(race: Enter) -> None:
    importer, contact = race("importer"), race("contact")
    tenant_id, channel = shop(importer.connection)
    importer.begin()
    thread = thread_of(channel, said(1), said(2))
    importer.call("import_thread_atomic", tenant_id=tenant_id, thread=thread)
    receiving = contact.start_blocked(
        "receive_message_atomic",
        provider=channel["provider"],
        address=channel["address"],
        provider_message_id="wamid.2",
        contact={"phone": PHONE},
        content="2",
    )
    importer.commit()
    assert receiving.result()["duplicate"] is True
    assert logs(importer, tenant_id) == [["1", "2"]]


def test_a_thread_that_begins_while_it_is_imported_is_joined(race: Enter) -> None:
    importer, contact = race("importer"), race("contact")
    tenant_id, channel = shop(importer.connection)
    contact.begin()
    receive(contact.connection, channel, "live", PHONE)
    importing = importer.start_blocked(
        "import_thread_atomic",
        tenant_id=tenant_id,
        thread=thread_of(channel, said(1), said(2)),
    )
    contact.commit()
    assert importing.result()["created"] is False
    assert logs(importer, tenant_id) == [["1", "2", "live"]]


def test_a_contact_who_is_merged_while_imported_is_found_as_the_survivor(race: Enter) -> None:
    importer, linker = race("importer"), race("linker")
    tenant_id, channel = shop(importer.connection)
    agent = new_user(importer.connection, tenant_id=tenant_id)
    survivor = receive(importer.connection, channel, "older", "+4917099999999")
    other = receive(importer.connection, channel, "newer", PHONE)
    linker.begin()
    linked = linker.call(
        "link_contact_atomic",
        actor_id=agent,
        contact_id=survivor["contact"]["id"],
        kind="phone",
        value=PHONE,
    )
    assert linked["merged"] is True
    importing = importer.start_blocked(
        "import_thread_atomic", tenant_id=tenant_id, thread=thread_of(channel, said(1))
    )
    linker.commit()
    result = importing.result()
    assert result["conversation_id"] == linked["conversation_id"]
    assert result["conversation_id"] in (survivor["conversation_id"], other["conversation_id"])
    assert logs(importer, tenant_id) == [["1", "older", "newer"]]


def test_imports_answers_and_messages_all_at_once(race: Enter) -> None:
    racers = [race(f"racer {number}") for number in range(8)]
    db = racers[0].connection
    tenant_id, channel = shop(db)
    agent = new_user(db, tenant_id=tenant_id)
    messages = [said(number) for number in range(40)]

    def work(position: int) -> None:
        mine = racers[position].connection
        if position < 4:
            for most in (10, 20, 40):
                given = messages[:most] if position % 2 else messages[position:most]
                thread = thread_of(channel, *given)
                succeed(mine, "import_thread_atomic", tenant_id=tenant_id, thread=thread)
        elif position < 6:
            for number in range(20):
                receive(
                    mine, channel, str(number), PHONE, provider_message_id=f"wamid.{number + 30}"
                )
        else:
            for number in range(20):
                threads = succeed(mine, "list_threads", actor_id=agent)["threads"]
                for one in threads:
                    call(
                        mine,
                        "send_message_atomic",
                        conversation_id=one["conversation_id"],
                        actor_id=agent,
                        content=f"answer {number}",
                    )

    at_once([lambda position=position: work(position) for position in range(8)])  # type: ignore[misc]
    (log,) = logs(racers[0], tenant_id)
    assert len([one for one in log if not one.startswith("answer")]) == 50
