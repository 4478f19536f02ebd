"""`python -m bench.unbatched serve`: the thin layer with each send a call of its own."""

from collections.abc import Mapping
from typing import Any

from thin_api import batch, cli


async def send(sender: batch.Sender, given: Mapping[str, Any]) -> bytes:
    """Send one message by itself."""
    return await sender._database.call(batch.SEND, given)


if __name__ == "__main__":
    batch.Sender.send = send  # type: ignore[assignment, method-assign]
    raise SystemExit(cli.main())
