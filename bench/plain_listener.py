"""`python -m bench.plain_listener DSN`: follows the outbox and does nothing with what it gets.

The protocol of docs/push.md, with the pause between looks that the server makes when busy.
"""

import sys
import time

import psycopg

PAUSE = 0.02  # seconds: the longest the server makes
LONGEST_SLEEP = 30.0


def follow(dsn: str) -> None:
    """Look, pause, and sleep when nothing came, until killed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set role parley_api")
        connection.execute("listen parley")
        (attached,) = connection.execute("select api.push_attach()").fetchone() or ({},)
        snapshot = None

        def look(function: str) -> bool:
            """Call it; tell whether something came."""
            nonlocal snapshot
            row = connection.execute(
                f"select api.{function}(%s, %s)", (attached["listener_id"], snapshot), prepare=True
            ).fetchone()
            assert row is not None
            assert row[0]["success"], row[0]
            snapshot = row[0]["snapshot"]
            if row[0].get("asleep"):
                list(connection.notifies(timeout=LONGEST_SLEEP, stop_after=1))
                return look("push_wake")
            return bool(row[0]["transactions"])

        look("push_fetch")
        print("attached", flush=True)
        while True:
            _ = look("push_fetch") or look("push_sleep")
            time.sleep(PAUSE)


if __name__ == "__main__":
    follow(sys.argv[1])
