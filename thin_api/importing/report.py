"""What was merged, for people and for programs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import orjson

from thin_api.importing.staging import Staging
from thin_api.importing.target import Json
from thin_api.importing.threads import Thread


class Tally:
    """How much was read, merged and imported."""

    def __init__(self, staging: Staging) -> None:
        read = staging.count()
        self._found: Counter[str] = Counter(
            conversations=read.conversations, messages=read.messages
        )

    def add(self, tenant_id: str, thread: Thread, result: Json | None) -> str:
        """Count a thread; what the report says of it. No result: it was not imported."""
        told = {
            "tenant_id": tenant_id,
            "person": thread.key,
            "kept": thread.kept.id,
            "merged": [one.id for one in thread.merged],
            "messages": len(thread.entries),
            "duplicates": thread.duplicates,
        }
        self._found.update(
            threads=1,
            merged=len(thread.merged),
            duplicates=thread.duplicates,
            entries=len(thread.entries),
        )
        if result is not None:
            outcome = (
                "new"
                if result["created"]
                else "there_already"
                if result.get("duplicate")
                else "joined"
            )
            self._found.update({f"threads_{outcome}": 1})
            self._found.update(imported=result["imported"], existing=result["existing"])
            told |= {
                "conversation_id": result["conversation_id"],
                "outcome": outcome,
                "imported": result["imported"],
                "existing": result["existing"],
            }
        return orjson.dumps(told).decode()

    def summary(self, skipped: int) -> Json:
        """Return the totals."""
        names = (
            "conversations messages threads merged duplicates imported existing"
            " threads_new threads_joined threads_there_already"
        )
        return {name: self._found[name] for name in names.split()} | {"skipped": skipped}

    def lines(self, skipped: int, *, dry_run: bool) -> Iterator[str]:
        """Tell the totals."""
        found = self._found
        yield (
            f"{found['conversations']:,} conversations of {found['threads']:,} people:"
            f" {found['merged']:,} merged into a more recent one"
        )
        yield (
            f"{found['messages']:,} messages: {found['duplicates']:,} copies of others,"
            f" {found['entries']:,} to keep"
        )
        if dry_run:
            yield "nothing was written"
        else:
            yield (
                f"{found['imported']:,} messages imported, {found['existing']:,} were there already"
            )
            yield (
                f"{found['threads_new']:,} new threads, {found['threads_joined']:,} joined with"
                f" what was there, {found['threads_there_already']:,} unchanged"
            )
        yield f"{skipped:,} rows skipped" + (":" if skipped else "")


def write(path: Path, tally: Tally, staging: Staging) -> None:
    """Write everything as one JSON object, a line each thread and problem."""
    with path.open("w", encoding="utf-8") as file:
        summary = tally.summary(staging.count().problems)
        file.write(f'{{"summary": {orjson.dumps(summary).decode()},\n "threads": [')
        _list(file.write, staging.told())
        file.write('],\n "skipped": [')
        _list(file.write, (orjson.dumps(one._asdict()).decode() for one in staging.problems()))
        file.write("]}\n")


def _list(write_text: Callable[[str], object], entries: Iterable[str]) -> None:
    for number, entry in enumerate(entries):
        write_text(f"{',' if number else ''}\n  {entry}")
