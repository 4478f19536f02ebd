"""What README prints works as printed."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.http.support import SECRET, serving, settings_for

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS: list[str] = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)

Shell = Callable[[str], str]


def block(mark: str) -> str:
    """Find the one block of commands that contains a text."""
    (found,) = (block for block in BLOCKS if mark in block)
    return found


@pytest.fixture
def shell(fresh_database: str) -> Iterator[Shell]:
    """Yield a shell in which README's addresses lead to a server with the demo data."""
    environment = {**os.environ, "DATABASE_URL": fresh_database, "PARLEY_JWT_SECRET": SECRET}
    parley = f"{shlex.quote(sys.executable)} -m thin_api"

    with serving(settings_for(fresh_database)) as site:

        def run(commands: str) -> str:
            commands = commands.replace(".venv/bin/parley", parley)
            commands = commands.replace("http://127.0.0.1:8000", site.url)
            done = subprocess.run(
                ["bash", "-euc", commands],
                cwd=ROOT,
                env={**environment, "PSQLRC": os.devnull},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        run(".venv/bin/parley seed")
        yield run


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_and_psql_examples_answer_as_told(shell: Shell) -> None:
    first = json.loads(shell(block("v1/conversations -H")))
    assert first["success"]
    assert first["message"]["content"] == "Hello from curl"
    again = json.loads(shell(block("v1/conversations -H")))
    assert again["error"] == "conversation_exists"
    assert again["details"] == {"conversation_id": first["conversation_id"]}

    assert '"success": true' in shell(block("psql -c"))
    repeated = shell(block("psql -c"))
    assert '"content": "Hello from psql"' in repeated
    assert '"duplicate": true' in repeated


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_assistant_answers_as_told(shell: Shell) -> None:
    events = re.findall(
        r"^event: (\w+)\nid: \S+\ndata: (.*)$", shell(block("chatkit")), re.MULTILINE
    )
    (first, asked), *pieces, (last, answered) = [(name, json.loads(data)) for name, data in events]
    assert (first, last) == ("run_created", "run_completed")
    assert asked["message"]["content"] == "Hello!"
    said = "".join(piece["content"] for _, piece in pieces)
    assert said == answered["message"]["content"]
    assert answered["data"]["status"] == "completed"


def test_files_and_folders_it_points_to_exist() -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    named = re.findall(r"^\| `(\w[\w/]*/)`", README, re.MULTILINE)
    assert linked
    assert named
    assert [path for path in (*linked, *named) if not (ROOT / path).exists()] == []


def test_it_is_no_longer_than_people_read() -> None:
    assert len(README.splitlines()) <= 150
