"""OpenAI's own tests of a Store and a ChatKitServer, as they are in their sdist, on our Store."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.support import connect, violations

HERE = Path(__file__).parent / "official"
SDIST = Path(sys.prefix) / f"openai_chatkit-{version('openai-chatkit')}"
MODULES = ("test_store.py", "test_chatkit_server.py")
ALL = 78


def test_openais_own_tests_pass_on_our_store(fresh_database: str) -> None:
    # They are run apart: to them `tests` and `helpers` are modules of their own project.
    tests = SDIST / "tests"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-o", "asyncio_mode=auto", "-W", "ignore", *MODULES],
        cwd=tests,
        env={
            **os.environ,
            "CHATKIT_TESTS": str(tests),
            "DATABASE_URL": fresh_database,
            "PYTHONPATH": str(HERE),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout, run.stderr)
    found = re.search(r"^=+ (.*) in [0-9.]+s.* =+$", run.stdout, re.MULTILINE)
    assert found is not None
    assert re.fullmatch(rf"{ALL} passed(, \d+ warnings?)?", found[1])
    with connect(fresh_database) as connection:
        assert violations(connection) == []
