"""The stage of these tests: a PostgreSQL that may be crashed, so never a given one."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.stage import Server, Stage, serving


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Yield a PostgreSQL of its own, as durable as in production."""
    if os.environ.get("TEST_DATABASE_URL") or os.environ.get("TEST_CONTAINER"):
        pytest.skip("these tests crash their server: they need the embedded one")
    with tempfile.TemporaryDirectory(prefix="parley-chaos-") as folder:
        one = Stage(Path(folder))
        try:
            yield one
        finally:
            one.close()


@pytest.fixture
def dsn(stage: Stage) -> str:
    """Return a database for one play."""
    return stage.database()


@pytest.fixture
def serve(dsn: str, tmp_path: Path) -> Iterator[Callable[..., list[Server]]]:
    """Start servers on it; settings are given as they are named in the environment."""
    with ExitStack() as stack:

        def start(*names: str, **settings: str) -> list[Server]:
            servers = [Server(dsn, tmp_path, name, **settings) for name in names]
            stack.enter_context(serving(*servers))
            return servers

        yield start
