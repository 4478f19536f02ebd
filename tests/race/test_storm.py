"""Everything at once, by many, for a while."""

import secrets
from collections.abc import Callable

from tests.race.storm import storm


def test_storm_breaks_nothing(template: str, empty_database: Callable[..., str]) -> None:
    seed = secrets.token_hex(4)
    world = storm(empty_database(template), sailors=8, operations=6000, seed=seed)
    assert world.failures == [], f"seed {seed}"
    functions = {function for function, answer in world.answers if answer == "done"}
    assert len(functions) > 25, f"seed {seed} did little: {sorted(functions)}"
