"""Demo data: a few people and what they talk about, made by the functions callers use."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from thin_api.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]

# Fixed ids and client keys, so that a second time finds everything done.
ADA, BO, CLEO, DEV, EVE, ROBOT = (
    uuid.UUID(f"00000000-0000-4000-8000-00000000000{n}") for n in range(1, 7)
)
PEOPLE = {
    ADA: "Ada Lindqvist",
    BO: "Bo Okafor",
    CLEO: "Cleo Marchetti",
    DEV: "Dev Raman",
    EVE: "Eve Sandoval",
}
SOMEBODY = ADA

LUNCH = [
    (ADA, "Lunch at half past twelve?"),
    (BO, "Make it one, I am in the migration review until then."),
    (ADA, "One it is. The place by the canal?"),
    (BO, "Perfect 🙂"),
]
RELEASE = [
    (CLEO, "The release branch is cut. Please put anything that blocks it in here."),
    (DEV, "Search ignores accents in Spanish names. Small fix, needs a review."),
    (ADA, "I will review it before lunch."),
    (EVE, "Docs are done except for the page on read receipts."),
    (CLEO, "Thanks all. If nothing else comes up we ship on Thursday."),
]
PRINTER = [
    (BO, "Hi Eve, I saw your request. Does it print anything at all, or only blank pages?"),
    (EVE, "Blank pages, but only from my laptop. My phone prints fine."),
    (BO, "That sounds like the driver. I will stop by at three and swap it."),
    (EVE, "You are a star, thank you!"),
]

HELLO = "Hello! What can you do?"
WELCOME = "Hello Ada! Greet me, tell me your name or thank me: I answer from a file of patterns."

MARTA = {"phone": "+12025550147", "wa_id": "12025550147"}  # a number that is nobody's
DELIVERY = [
    "Hello, my order 1042 has not arrived yet. Do you know when it will?",
    "I am at home until four today.",
]
JONAS = {"phone": "+12025550163", "wa_id": "12025550163"}


def connect(settings: Settings) -> Connection:
    """Connect as the service the thin layer is."""
    if not settings.database_url:
        raise ValueError("no database")
    connection = psycopg.connect(settings.database_url, autocommit=True)
    connection.execute(sql.SQL("set role {}").format(sql.Identifier(settings.database_role)))
    return connection


def people(connection: Connection) -> None:
    """Make the people."""
    for user_id, name in PEOPLE.items():
        email = f"{name.split()[0].lower()}@example.com"
        _call(
            connection,
            "upsert_user_atomic",
            user_id=user_id,
            display_name=name,
            kind="person",
            email=email,
        )


def direct(connection: Connection) -> None:
    """Make two people plan their lunch."""
    opened = _call(
        connection,
        "create_conversation_atomic",
        accept=("conversation_exists",),
        actor_id=ADA,
        kind="direct",
        member_ids=[BO],
    )
    _talk(connection, _id(opened), LUNCH)


def group(connection: Connection) -> None:
    """Make a team prepare a release."""
    opened = _call(
        connection,
        "create_conversation_atomic",
        actor_id=CLEO,
        kind="group",
        member_ids=[ADA, BO, DEV, EVE],
        title="Release 2.4",
        client_key="demo-release",
    )
    conversation_id = _id(opened)
    messages = _talk(connection, conversation_id, RELEASE)
    _call(
        connection,
        "add_reaction_atomic",
        conversation_id=conversation_id,
        actor_id=CLEO,
        message_id=messages[2],
        emoji="👍",
    )


def help_request(connection: Connection) -> None:
    """Make somebody ask for help, and get it."""
    asked = _call(
        connection,
        "create_help_request_atomic",
        actor_id=EVE,
        title="The printer on the second floor prints blank pages",
        client_key="demo-printer",
    )
    opened = _call(
        connection,
        "create_conversation_atomic",
        accept=("conversation_exists",),
        help_request_id=asked["help_request_id"],
        helper_id=BO,
        initial_message=PRINTER[0][1],
    )
    _talk(connection, _id(opened), PRINTER[1:])


def inbox(connection: Connection) -> None:
    """Make a customer write to the business; nobody has answered yet."""
    for number, content in enumerate(DELIVERY):
        _call(
            connection,
            "receive_message_atomic",
            provider="whatsapp",
            address="demo",
            provider_message_id=f"demo-{number}",
            contact=MARTA,
            display_name="Marta Nowak",
            content=content,
        )


def night_line(connection: Connection) -> None:
    """Make a customer write to a number where a bot answers."""
    _call(
        connection,
        "upsert_user_atomic",
        user_id=ROBOT,
        display_name="Night watch",
        kind="bot",
    )
    _call(
        connection,
        "upsert_channel_atomic",
        provider="whatsapp",
        address="demo-night",
        display_name="Night line",
        responder_id=ROBOT,
    )
    _call(
        connection,
        "receive_message_atomic",
        provider="whatsapp",
        address="demo-night",
        provider_message_id="demo-night-0",
        contact=JONAS,
        display_name="Jonas Brandt",
        content="Hello! Is anybody there at this hour?",
    )


def assistant(connection: Connection) -> None:
    """Make somebody try the assistant; what it says stands in, as no worker may be there yet."""
    begun = _call(
        connection,
        "create_thread_atomic",
        actor_id=ADA,
        title="What the assistant can do",
        client_key="demo-assistant",
    )
    members = _call(connection, "list_members", conversation_id=begun["thread_id"], actor_id=ADA)[
        "members"
    ]
    (itself,) = (uuid.UUID(one["user_id"]) for one in members if one["role"] == "member")
    _talk(connection, begun["thread_id"], [(ADA, HELLO), (itself, WELCOME)])


STEPS: Sequence[Callable[[Connection], None]] = (
    people,
    direct,
    group,
    help_request,
    inbox,
    night_line,
    assistant,
)


def _talk(
    connection: Connection, conversation_id: str, lines: Sequence[tuple[uuid.UUID, str]]
) -> list[str]:
    """Send each line once; the messages' ids."""
    return [
        _call(
            connection,
            "send_message_atomic",
            conversation_id=conversation_id,
            actor_id=sender,
            content=content,
            client_message_id=f"demo-{number}",
        )["message"]["id"]
        for number, (sender, content) in enumerate(lines)
    ]


def _id(opened: dict[str, Any]) -> str:
    """Return the id of a conversation just opened, or there already."""
    return str((opened if opened["success"] else opened["details"])["conversation_id"])


def _call(
    connection: Connection, function: str, *, accept: Sequence[str] = (), **arguments: Any
) -> dict[str, Any]:
    """Call a function; a refusal that is not expected is an error."""
    query = sql.SQL("select api.{}({})").format(
        sql.Identifier(function),
        sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(f"p_{a}")) for a in arguments),
    )
    values = [Jsonb(one) if isinstance(one, dict) else one for one in arguments.values()]
    row = connection.execute(query, values).fetchone()
    result: dict[str, Any] = row[0] if row else {}
    if not result.get("success") and result.get("error") not in accept:
        raise RuntimeError(f"{function}: {result.get('message')}")
    return result
