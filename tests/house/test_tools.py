"""The Makefile, the settings and the layers are as they are told."""

import ast
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from thin_api.settings import names

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "thin_api").rglob("*.py"))

# Who talks to PostgreSQL, and in SQL.
SPEAK_SQL = {
    "db.py",
    "kept.py",
    "listener.py",
    "pool.py",
    "migrate.py",
    "doctor.py",
    "seed.py",
    "embedded.py",
    "trace.py",
    "source.py",
    "staging.py",
    "target.py",
}
DRIVERS = {"asyncpg", "psycopg"}
STATEMENT = re.compile(
    r"^\s*(select\s.+\sfrom|insert\s+into|update\s.+\sset|delete\s+from)\s", re.DOTALL
)


def targets() -> dict[str, int]:
    """Targets of the Makefile with the number of their lines."""
    found: dict[str, int] = {}
    name = ""
    for line in (ROOT / "Makefile").read_text().splitlines():
        if match := re.match(r"(\S+):( |$)", line):
            name = match[1]
            found[name] = 0
        elif line.startswith("\t"):
            found[name] += 1
    return {name: lines for name, lines in found.items() if re.fullmatch("[a-z-]+", name)}


def test_make_alone_prints_what_it_can_do() -> None:
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)
    told = re.findall(r"^  make ([a-z-]+) +\S", done.stdout, re.MULTILINE)
    assert told == list(targets())
    assert {"run", "test", "migrate", "psql", "reset", "lint", "check", "bench"} <= set(told)


def test_targets_of_the_makefile_are_short() -> None:
    assert {name: lines for name, lines in targets().items() if lines > 5} == {}


@pytest.mark.parametrize(
    ("extras", "path"),
    [({"test", "lint"}, "requirements.lock"), ({"chatkit"}, "tests/chatkit/requirements.lock")],
)
def test_the_lock_files_pin_every_dependency_and_name_no_package_host(
    extras: set[str], path: str
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    assert set(optional) == {"test", "lint", "chatkit"}
    wanted = [*project["dependencies"], *chain(*(optional[extra] for extra in extras))]
    lock = (ROOT / path).read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    named = {re.split(r"[^A-Za-z0-9-]", one)[0].lower() for one in wanted}
    assert named - pinned == set()
    assert "://" not in lock


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_and_its_drivers_stay_in_their_modules(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    if path.name not in SPEAK_SQL:
        assert [text for text in texts if STATEMENT.match(text)] == []
        assert not imported & DRIVERS or path.name == "cli.py"


def test_every_setting_is_documented() -> None:
    documented = "\n".join(
        path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    )
    assert [name for name in names() if f"`{name}`" not in documented] == []
