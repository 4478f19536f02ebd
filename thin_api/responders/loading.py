"""Which responder the settings name."""

import contextlib
import importlib
import inspect
import sys
import traceback
from pathlib import Path

from thin_api.responders import Opening, openai, rules
from thin_api.settings import Settings, SettingsError


def load_responder(settings: Settings) -> Opening | None:
    """Find who answers, None if this process is not to; SettingsError if they cannot be used."""
    if not settings.runs_at_once:
        return None
    if settings.responder == "rules":
        return rules.opening(settings)
    if settings.responder == "openai":
        return openai.opening(settings)
    return _imported(settings.responder)


def _imported(place: str) -> Opening:
    module, _, name = place.partition(":")
    if not (module and name):
        raise _bad(place, "must be rules, openai or module:function")
    # As with other servers, code of one's own is in the folder that we are started in.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise _bad(place, f"cannot be loaded: {error}") from None
    except (Exception, SystemExit) as error:
        raise _bad(place, f"cannot be loaded: {_described(error)}") from None
    if not inspect.isasyncgenfunction(function):
        raise _bad(place, "is not an async generator function")
    return lambda: contextlib.nullcontext(function)


def _described(error: BaseException) -> str:
    """Say what a module did instead of being loaded, and where."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"


def _bad(place: str, problem: str) -> SettingsError:
    return SettingsError(f"PARLEY_RESPONDER={place!r} {' '.join(problem.split())}")
