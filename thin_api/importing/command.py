"""`parley import-whatsapp`: what it takes from the command line, and what it tells."""

import argparse
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from thin_api.importing import rows
from thin_api.importing.report import Tally, write
from thin_api.importing.rows import ImportingError, Problem
from thin_api.importing.source import CONVERSATIONS, MESSAGES, Files, Queries, Source
from thin_api.importing.staging import Staging
from thin_api.importing.target import Json, Target
from thin_api.importing.threads import Thread

SHOWN = 20  # rows that were skipped
OF_CONVERSATIONS = ("id", "business_id", "phone")
OF_MESSAGES = ("conversation_id", "direction", "body", "created_at")

Opener = Callable[[], AbstractContextManager[str]]


class Choice(NamedTuple):
    """A value for one business, or for all."""

    business_id: str | None
    value: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `parley import-whatsapp` takes; docs/import.md tells the rows' shape."""
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="conversations.csv and messages.csv"
    )
    parser.add_argument("--dsn", help="read from this PostgreSQL database instead")
    for name, query in (("conversations", CONVERSATIONS), ("messages", MESSAGES)):
        parser.add_argument(
            f"--{name}-query", default=query, metavar="SQL", help=f"what to ask there for {name}"
        )
    parser.add_argument(
        "--channel",
        type=_choice,
        action="append",
        required=True,
        metavar="[BUSINESS=]ADDRESS",
        help="our end: WhatsApp's phone_number_id, of one business or of all",
    )
    parser.add_argument(
        "--tenant",
        type=_choice,
        action="append",
        default=[],
        metavar="[BUSINESS=]ID",
        help="the tenant of a business, or of all; default: the business id, where it is a uuid",
    )
    parser.add_argument(
        "--provider", default="whatsapp", help="who carries the messages (whatsapp)"
    )
    parser.add_argument("--region", metavar="CC", help="country of numbers without one, such as IL")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be merged")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write all of it as JSON")
    parser.set_defaults(wrong=parser.error)


def run(args: argparse.Namespace, role: str, database: Opener) -> int:
    """Import; 1 when rows were skipped. `database` opens ours and yields its address."""
    if (args.dsn is None) == (len(args.files) != 2) or (args.dsn and args.files):
        args.wrong("give two files, conversations and messages, or --dsn")
    with (
        tempfile.TemporaryDirectory(prefix="parley-import-") as folder,
        closing(Staging(Path(folder) / "rows.sqlite")) as staging,
    ):
        with _source(args) as source:
            names = _read(source, staging, args.region)
        businesses = _businesses(staging.businesses(), args.tenant, args.channel)
        tally = Tally(staging)
        with _target(args, role, database) as target:
            channels = {
                business_id: target.channel(args.provider, address, tenant_id) if target else ""
                for business_id, (tenant_id, address) in businesses.items()
            }
            bar = tqdm(
                staging.keys(), desc="threads", unit=" threads", dynamic_ncols=True, disable=None
            )
            for key in bar:
                thread = staging.thread(key)
                tenant_id, _ = businesses[key.business_id]
                document = thread.document(channels[key.business_id])
                result = _add(target, tenant_id, document, thread, staging, names)
                staging.add_told(tally.add(tenant_id, thread, result))
        problems = list(islice(staging.problems(), SHOWN))
        skipped = staging.count().problems
        print(*tally.lines(skipped, dry_run=args.dry_run), sep="\n")
        for problem in problems:
            print(f"  {problem.file}:{problem.line}: {problem.problem}")
        if skipped > len(problems):
            print(f"  and {skipped - len(problems):,} more; --report FILE names them all")
        if args.report:
            write(args.report, tally, staging)
    return 1 if skipped else 0


def _source(args: argparse.Namespace) -> AbstractContextManager[Source]:
    if args.dsn:
        return Queries.open(args.dsn, args.conversations_query, args.messages_query)
    return nullcontext(Files(*args.files))


@contextmanager
def _target(args: argparse.Namespace, role: str, database: Opener) -> Iterator[Target | None]:
    """Open our database, where something is to be written."""
    if args.dry_run:
        yield None
        return
    with database() as dsn, Target.open(dsn, role) as target:
        yield target


def _read(source: Source, staging: Staging, region: str | None) -> tuple[str, str]:
    """Take all rows in; the names they go by."""
    of_conversations, of_messages = source.names
    with source.conversations() as lines:
        parse = partial(rows.conversation, region=region)
        staging.add_conversations(
            rows.read(lines, of_conversations, OF_CONVERSATIONS, parse), of_conversations
        )
    with source.messages() as lines:
        staging.add_messages(rows.read(lines, of_messages, OF_MESSAGES, rows.message), of_messages)
    return source.names


def _businesses(
    business_ids: Sequence[str], tenants: Sequence[Choice], channels: Sequence[Choice]
) -> dict[str, tuple[str, str]]:
    """Return tenant and address of each business."""
    found = {}
    for business_id in business_ids:
        tenant_id = _chosen(tenants, business_id) or business_id
        address = _chosen(channels, business_id)
        try:
            uuid.UUID(tenant_id)
        except ValueError as error:
            raise ImportingError(
                f"whose is business {business_id!r}? --tenant {business_id}=ID"
            ) from error
        if not address:
            raise ImportingError(
                f"where does business {business_id!r} write from? --channel {business_id}=ADDRESS"
            )
        found[business_id] = tenant_id, address
    return found


def _add(
    target: Target | None,
    tenant_id: str,
    document: Json,
    thread: Thread,
    staging: Staging,
    names: tuple[str, str],
) -> Json | None:
    """Import a thread but for messages that are refused; None: refused as a whole, or a dry run."""
    if target is None:
        return None
    result = target.add(tenant_id, document)
    refused = {
        one["item"]: one["problem"] for one in (result.get("details") or {}).get("items", [])
    }
    if refused:
        for item, problem in refused.items():
            staging.add_problem(Problem(names[1], thread.entries[item].first.line, problem))
        messages = document["messages"]
        kept = [one for item, one in enumerate(messages) if item not in refused]
        result = target.add(tenant_id, document | {"messages": kept})
    if result["success"]:
        return result
    if result["error"] != "validation_error":
        raise ImportingError(result["message"])
    staging.add_problem(Problem(names[0], thread.kept.line, result["message"]))
    return None


def _choice(text: str) -> Choice:
    business_id, is_of_one, value = text.rpartition("=")
    return Choice(business_id if is_of_one else None, value)


def _chosen(choices: Sequence[Choice], business_id: str) -> str | None:
    """Return what was given for a business, else for all."""
    given = {choice.business_id: choice.value for choice in choices}
    return given.get(business_id, given.get(None))
