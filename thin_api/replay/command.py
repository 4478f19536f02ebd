"""`parley replay FILE`: what it takes from the command line, and what it prints."""

import argparse
import asyncio
import sys
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from thin_api.replay.clients import ReplayError, Tokens, connect
from thin_api.replay.log import Line, annotation_path, log_name, read_answers, read_log
from thin_api.replay.plan import Plan, Rename, make_plan
from thin_api.replay.runner import Conversation
from thin_api.replay.server import find_server
from thin_api.replay.verify import differences
from thin_api.settings import Settings, with_secret

SHOWN = 10  # differences


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `parley replay`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a log, such as 2006-06-01.raw.txt")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="then read the history back and compare it with the file, line for line",
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="the server; default: the one on PARLEY_HOST and PARLEY_PORT, or a passing one",
    )
    parser.add_argument("--clients", type=_count, default=16, metavar="N", help="connections (16)")
    parser.add_argument("--limit", type=_count, metavar="LINES", help="only the first lines")
    parser.add_argument(
        "--conversation-key",
        metavar="KEY",
        help="which conversation the log goes to (irc:NAME); another key is another conversation",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Replay a log; 1 when it cannot be finished or differs from what is stored."""
    try:
        return asyncio.run(_run(args, with_secret(settings)))
    except ReplayError as error:
        print(f"parley replay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run it again and it goes on from there", file=sys.stderr)
        raise


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    lines = read_log(args.file)[: args.limit]
    replies = annotation_path(args.file)
    answers = read_answers(replies) if replies.exists() else {}
    name = log_name(args.file)
    key = args.conversation_key or f"irc:{name}"
    plan = make_plan(lines, answers, key)
    tokens = Tokens(settings)
    async with (
        find_server(args.base_url, settings) as base_url,
        connect(base_url, args.clients) as clients,
    ):
        conversation = await Conversation.open(
            plan, clients, tokens, key=key, title=f"IRC log {name}"
        )
        bar: tqdm[Any]
        with tqdm(total=len(lines), desc=name, unit=" lines", dynamic_ncols=True) as bar:
            await conversation.play(partial(_advance, bar))
        print(f"{name}: {len(lines)} lines in conversation {conversation.conversation_id}")
        if not args.verify:
            return 0
        return await _verify(lines, plan, conversation, limited=args.limit is not None)


def _advance(bar: "tqdm[Any]", done: int) -> None:
    if bar.n == 0 and done > 1:
        # Lines stored by an earlier run are done, but not by this one: they do not count as speed.
        bar.initial = bar.n = bar.last_print_n = done
    bar.update(done - bar.n)


async def _verify(
    lines: list[Line], plan: Plan, conversation: Conversation, *, limited: bool
) -> int:
    """Print the first differences between the log and the stored history."""
    history = await conversation.history()
    expected = sum(not isinstance(step, Rename) for step in plan.steps)
    members = None
    if limited and len(history) > expected:
        history = history[:expected]
    else:
        members = await conversation.members()
    found = list(islice(differences(lines, plan, history, members), SHOWN + 1))
    for difference in found[:SHOWN]:
        print(difference)
    if found:
        print("the stored history differs from the log" + (", and more" * (len(found) > SHOWN)))
        return 1
    print(f"the stored history equals the log: {len(lines)} lines, {len(history)} messages")
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
