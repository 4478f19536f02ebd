"""`parley tail`: print what happens, a line an event."""

import argparse
import asyncio
import json
import sys
import unicodedata
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from thin_api import auth
from thin_api.client.client import Client, ClientError
from thin_api.client.store import Frame
from thin_api.settings import Settings, with_secret

TOKEN_LIFE = 24 * 3600
# Which time of a message or conversation is the time of an event; those left out tell none.
WHEN = {
    "message_created": "created_at",
    "message_edited": "edited_at",
    "message_deleted": "deleted_at",
    "member_added": "created_at",
    "member_removed": "created_at",
    "role_changed": "created_at",
    "conversation_created": "created_at",
    "conversation_closed": "closed_at",
}
# Controls and what turns or breaks lines; but joiners only join, in emoji and in many scripts.
UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = frozenset("\u200c\u200d")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `parley tail`."""
    parser.add_argument("--user", type=uuid.UUID, metavar="ID", help="whose events")
    parser.add_argument("--token", help="their token, if we are not to make one")
    parser.add_argument("--conversation", type=uuid.UUID, metavar="ID", help="only of this one")
    parser.add_argument("--url", help="the server; default: the one on PARLEY_HOST and PARLEY_PORT")
    parser.add_argument(
        "--since", type=_number, metavar="SEQ", help="begin after this log number (now); 0: all"
    )
    parser.add_argument("--json", action="store_true", help="print frames as they come")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print events until told to stop; 1 when there can be none, 2 for wrong arguments."""
    if args.user is None and args.token is None:
        print("parley tail: --user ID or --token TOKEN is required", file=sys.stderr)
        return 2
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    try:
        asyncio.run(_tail(args, settings if args.token else with_secret(settings)))
    except (ClientError, ValueError) as error:
        _say(str(error))
    return 1


def line(frame: Frame, now: datetime) -> str:
    """Say what happened in one line that is safe to show: when, where, number, what, who, words."""
    parts = (
        _time(frame, now),
        str(frame.get("conversation_id", "-")),
        f"{frame.get('seq', '-'):>6}",
        f"{frame['type']:<20}",
        _who(frame),
        _words(frame),
    )
    return "  ".join(escaped(part) for part in parts).rstrip()


def escaped(text: str) -> str:
    r"""Write what a terminal may act upon as an escape: a line feed is \n, an escape \x1b."""
    return "".join(
        one.encode("unicode_escape").decode()
        if one == "\\" or (unicodedata.category(one) in UNSAFE and one not in JOINERS)
        else one
        for one in text
    )


async def _tail(args: argparse.Namespace, settings: Settings) -> None:
    wanted = args.conversation and str(args.conversation)

    def token() -> str:
        made = args.token or auth.issue(settings, str(args.user), seconds=TOKEN_LIFE)
        return str(made)

    def report(what: str) -> None:
        _say(what)
        known = client.store.cursors().keys()
        is_ours = not wanted or wanted in known or client.store.desk_id is not None
        if client.connected.is_set() and not is_ours:
            raise ClientError(f"this user is no member of the conversation {wanted}")

    begin: dict[str, Any] = {"since": args.since}
    if wanted and args.since is not None:
        begin = {"cursors": {wanted: args.since}}
    url = args.url or _address(settings)
    async with Client(url, token, report=report, **begin) as client:
        async for frame in client.events():
            if wanted in (None, frame.get("conversation_id", wanted)):
                text = json.dumps(frame) if args.json else line(frame, datetime.now(UTC))
                print(text, flush=True)


def _say(what: str) -> None:
    print(f"parley tail: {escaped(what)}", file=sys.stderr, flush=True)


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _time(frame: Frame, now: datetime) -> str:
    about = _message(frame) or frame.get("conversation") or {}
    told = about.get(WHEN.get(frame["type"], ""))
    at = datetime.fromisoformat(told).astimezone(UTC) if told else now
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _who(frame: Frame) -> str:
    message = _message(frame)
    who = (
        frame.get("actor_id")
        or frame.get("user_id")
        or message.get("sender_id")
        or (message.get("metadata") or {}).get("actor_id")
    )
    if who is None:
        return "-"
    return str((who == message.get("sender_id") and message.get("sender_name")) or who)


def _words(frame: Frame) -> str:
    match frame["type"]:
        case "reaction_added" | "reaction_removed":
            words = frame.get("emoji")
        case "receipt":
            words = f"delivered {frame['delivered_seq']}, read {frame['read_seq']}"
        case "reset":
            words = "too much to tell"
            if "last_seq" in frame:
                words += f": the log is at {frame['last_seq']}"
        case "delivery":
            words = f"{frame['status']}: message {frame['message_id']}"
        case "run_delta":
            words = frame["content"]
        case "run_failed":
            words = f"{frame['status']}: run {frame['run_id']}"
        case "run_completed":
            words = f"run {frame['run_id']}"
        case "desk_changed":
            words = "now of the desk" if frame["desk_id"] else "of no desk any more"
        case "error":
            words = f"{frame['error']}: {frame.get('message')}"
        case _:
            conversation = frame.get("conversation") or {}
            words = _message(frame).get("content") or conversation.get("title")
    return words or ""


def _message(frame: Frame) -> Mapping[str, Any]:
    """Return the message a frame shows; the one of an error is a sentence."""
    message = frame.get("message")
    return message if isinstance(message, Mapping) else {}


def _number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value
