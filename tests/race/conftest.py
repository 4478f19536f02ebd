"""Who takes part in a race."""

from collections.abc import Callable

import pytest

from tests.race.steps import Cast
from tests.support import Racer


@pytest.fixture
def cast(race: Callable[..., Racer]) -> Cast:
    """Gather a cast on a database of its own; what must hold is checked when the test is over."""
    return Cast(race)
