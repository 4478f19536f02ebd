"""What docs/push.md prints works as printed, in psql and in a storm."""

import re
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.race.push_storm import PAGE, WAYS, storm
from tests.schema import PSQL, run_psql
from tests.support import PATIENCE


def test_listeners_in_a_storm_hear_everything_once_and_in_order(
    template: str, empty_database: Callable[..., str]
) -> None:
    seed = secrets.token_hex(4)
    world = storm(empty_database(template), writers=6, listeners=2, phases=30, seed=seed)
    assert world.failures == [], f"seed {seed}"
    assert set(world.done) == {"told", *(way.__name__ for way in WAYS)}, f"seed {seed}"
    assert all(world.done.values()), f"seed {seed}"


def test_the_printed_psql_sessions_hear_each_other(fresh_database: str, tmp_path: Path) -> None:
    first, other, rest = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "other.sql").write_text(other)
    with subprocess.Popen(
        [PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", fresh_database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as psql:
        assert psql.stdin
        assert psql.stdout
        psql.stdin.write(first)
        psql.stdin.flush()
        assert psql.stdout.readline() == "asleep: true\n"
        assert " true\n" in run_psql(fresh_database, "-f", "other.sql", cwd=tmp_path).stdout
        told, _ = psql.communicate(rest, PATIENCE)
    assert 'Asynchronous notification "parley" received' in told
    assert re.findall(r"^(asleep|heard): (.*)$", told, re.MULTILINE) == [
        ("heard", '["conversation_created", "message_created"]'),
        ("asleep", "true"),
    ]
