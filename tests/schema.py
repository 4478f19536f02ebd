"""A database's definition as text, and psql, from the embedded server's programs."""

import subprocess
from pathlib import Path

from thin_api.embedded import PROGRAMS

PSQL = PROGRAMS / "bin" / "psql"
PG_DUMP = PROGRAMS / "bin" / "pg_dump"


def dump(dsn: str, *options: str) -> list[str]:
    """Return the statements that define schemas api and chat, in an order of their own."""
    done = subprocess.run(
        [
            PG_DUMP,
            "--schema-only",
            "--schema=api",
            "--schema=chat",
            "--strict-names",
            *options,
            dsn,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if "no matching schemas" in done.stderr:
        return []
    assert done.returncode == 0, done.stderr
    lines = (line for line in done.stdout.splitlines() if not line.startswith(("--", "\\")))
    return sorted(text for part in "\n".join(lines).split(";\n\n") if (text := part.strip()))


def run_psql(
    dsn: str, *arguments: str, cwd: Path, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run psql as a DBA would."""
    done = subprocess.run(
        [PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments, dsn],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done
