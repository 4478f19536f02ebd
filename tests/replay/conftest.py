"""The logs of these tests: excerpts kept here, and the whole ones where the corpus is present."""

from pathlib import Path
from typing import Any

import pytest

EXCERPTS = sorted(Path(__file__).with_name("data").glob("*.raw.txt"))
CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus" / "ubuntu-irc"
WHOLE_LOGS = sorted(CORPUS.glob("*.raw.txt"))
ABSENT = pytest.param(
    None,
    marks=pytest.mark.skip("the whole logs are not in ../shared/corpus beside the project"),
    id="whole",
)


def _named(kind: str, paths: list[Path]) -> list[Any]:
    return [pytest.param(path, id=f"{kind}-{path.name.split('.')[0]}") for path in paths]


@pytest.fixture(params=[*_named("excerpt", EXCERPTS), *(_named("whole", WHOLE_LOGS) or [ABSENT])])
def log(request: pytest.FixtureRequest) -> Path:
    """Return each log in turn, excerpts and whole ones."""
    path: Path = request.param
    return path


@pytest.fixture(params=[pytest.param(WHOLE_LOGS, id="corpus") if WHOLE_LOGS else ABSENT])
def whole_logs(request: pytest.FixtureRequest) -> list[Path]:
    """Return the whole logs, all at once."""
    paths: list[Path] = request.param
    return paths
