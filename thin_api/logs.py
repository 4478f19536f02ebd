"""Structured logs: one JSON object a line, never content and never tokens."""

import datetime
import logging
import secrets
import sys
import traceback
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from thin_api import errors
from thin_api.errors import Failure
from thin_api.settings import Settings


def configure(settings: Settings) -> None:
    """Send structlog's events and everybody else's log records to standard output."""
    level = logging.getLevelNamesMapping()[settings.log.upper()]
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stdout.isatty()
    )
    renderer = structlog.dev.ConsoleRenderer() if console else _render
    shared = [structlog.processors.add_log_level, _add_time]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                _drop_exception,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("uvicorn").setLevel(level)
    logging.getLogger("uvicorn.access").disabled = True  # the request line says more


def bug(log: Any, error: BaseException, **context: Any) -> Failure:
    """Log what should not have happened; the failure to tell, which has the id of the log line."""
    error_id = secrets.token_hex(8)
    sqlstate = getattr(error, "sqlstate", None)
    log.error("bug", error_id=error_id, **context, sqlstate=sqlstate, trace=trace(error))
    return errors.internal(error_id)


def trace(error: BaseException) -> list[str]:
    """Describe an exception and its causes by type and place; a message could quote content."""
    lines: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        lines.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        lines += [
            f"  {frame.filename}:{frame.lineno} {frame.name}: {frame.line}"
            for frame in traceback.extract_tb(cause.__traceback__)
        ]
        cause = cause.__cause__ or cause.__context__
    return lines


def _add_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["time"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return event


def _drop_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace a record's exception by where it happened."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["trace"] = trace(error)
    return event


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Write one line; JSON escapes what could start another."""
    return orjson.dumps(event, default=_printable, option=orjson.OPT_NON_STR_KEYS).decode()


def _printable(value: Any) -> str:
    return repr(value)
