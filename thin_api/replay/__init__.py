"""Feed a real chat log through the HTTP API: `parley replay FILE`."""

from thin_api.replay.command import add_arguments, run

__all__ = ["add_arguments", "run"]
