"""The environment, read once into a frozen dataclass; what we do not know stops the start."""

import dataclasses
import difflib
import os
import secrets
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
SHORTEST_SECRET = 32  # bytes: RFC 7518 wants an HS256 key at least as long as its hash


class SettingsError(ValueError):
    """A setting is unknown, unreadable or missing; the message is one line that names it."""


def setting(
    default: Any, meaning: str, *, env: str | None = None, secret: bool = False, least: int = 0
) -> Any:
    """Declare one setting; in the environment it is PARLEY_<FIELD> unless `env` says otherwise."""
    return dataclasses.field(
        default=default,
        repr=not secret,
        metadata={"meaning": meaning, "env": env, "secret": secret, "least": least},
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its type, default and meaning."""

    database_url: str | None = setting(
        None, "PostgreSQL to use; none: the embedded server", env="DATABASE_URL", secret=True
    )
    data_dir: Path = setting(Path(".parley"), "folder of the embedded server and its secret")
    listen_url: str | None = setting(
        None, "PostgreSQL without a pooler in between, for push; none: DATABASE_URL", secret=True
    )
    database_role: str = setting("parley_api", "role the thin layer works as")
    pool_size: int = setting(10, "database connections per process", least=1)
    pool_wait: float = setting(5.0, "seconds a request waits for a connection")
    statement_timeout: float = setting(10.0, "seconds one database call may take")
    statement_cache: int = setting(
        100, "prepared statements per connection; 0 behind a transaction pooler without them"
    )

    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(8000, "port to listen on; 0 takes a free one")
    workers: int = setting(1, "server processes", least=1)
    max_body_bytes: int = setting(1_048_576, "largest request body", least=1)
    shutdown_grace: float = setting(10.0, "seconds running requests get to finish on shutdown")
    maintain_every: float = setting(
        60.0, "seconds between calls of api.maintain(); 0: something else calls it"
    )
    sockets_per_user: int = setting(
        50, "open sockets, and streams of answers, a user may have per process", least=1
    )
    socket_backlog: int = setting(
        1_048_576, "bytes a socket may be behind before it is closed to resume", least=65_536
    )
    cors_origins: str | None = setting(None, "web origins that may call, between commas, or *")
    log: Literal["debug", "info", "warning", "error"] = setting("info", "least level logged")
    log_format: Literal["auto", "json", "console"] = setting(
        "auto", "log lines; auto: console on a terminal, else json"
    )

    jwt_secret: str | None = setting(None, "HS256 key, at least 32 bytes", secret=True)
    jwks_url: str | None = setting(None, "public keys (ES256, RS256) of the token issuer")
    jwt_issuer: str | None = setting(None, "required `iss` of a token")
    jwt_audience: str | None = setting(None, "required `aud` of a token")

    whatsapp_app_secret: str | None = setting(
        None, "key of WhatsApp's webhook signatures", secret=True
    )
    whatsapp_verify_token: str | None = setting(
        None, "word that a webhook's verification must bring", secret=True
    )
    whatsapp_access_token: str | None = setting(None, "token for sending", secret=True)
    whatsapp_api_base: str = setting(
        "https://graph.facebook.com/v23.0", "address of WhatsApp's API, with its version"
    )
    twilio_account_sid: str | None = setting(None, "Twilio account, for sending")
    twilio_auth_token: str | None = setting(
        None, "Twilio's key, for sending and of webhook signatures", secret=True
    )
    twilio_api_base: str = setting("https://api.twilio.com", "address of Twilio's API")
    public_url: str | None = setting(
        None, "this server's address as Twilio calls it: part of what its signatures sign"
    )
    responder: str = setting(
        "rules", "who answers: rules, openai, or module:function, an async generator function"
    )
    runs_at_once: int = setting(8, "answers a process gives at the same time; 0: none")
    rules_file: Path | None = setting(None, "patterns and answers of the rules responder, as TOML")
    openai_base_url: str = setting(
        "https://api.openai.com/v1", "address of a server that speaks OpenAI's chat completions"
    )
    openai_api_key: str | None = setting(None, "key for it, if it wants one", secret=True)
    openai_model: str | None = setting(None, "model to ask for")
    openai_system_prompt: str | None = setting(None, "what the model is told before the thread")
    openai_history_tokens: int = setting(
        8000, "how much of a thread the model is given, estimated at three bytes a token", least=1
    )
    openai_silence: float = setting(60.0, "seconds without a sign of life after which it is dead")


def names() -> dict[str, "dataclasses.Field[Any]"]:
    """Environment name of every setting, in order."""
    return {
        field.metadata["env"] or f"PARLEY_{field.name.upper()}": field
        for field in dataclasses.fields(Settings)
    }


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment, or raise SettingsError."""
    environ = os.environ if environ is None else environ
    known = names()
    for name in environ:
        if name.startswith("PARLEY_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{name} is not a setting of Parley{hint}")
    hints = typing.get_type_hints(Settings)
    values = {
        field.name: _parse(name, text, hints[field.name], field.metadata["least"])
        for name, field in known.items()
        if (text := environ.get(name, "").strip())
    }
    settings = Settings(**values)
    _check(settings)
    return dataclasses.replace(settings, data_dir=settings.data_dir.expanduser().absolute())


def web_origins(settings: Settings) -> list[str]:
    """List the web origins that may call; `*` is any."""
    given = (origin.strip() for origin in (settings.cors_origins or "").split(","))
    return [origin for origin in given if origin]


def with_secret(settings: Settings) -> Settings:
    """Complete the settings with a key for tokens: given, or kept in the data folder."""
    if settings.jwt_secret or settings.jwks_url:
        return settings
    if settings.database_url:
        raise SettingsError(
            "PARLEY_JWT_SECRET (at least 32 bytes) or PARLEY_JWKS_URL is required with DATABASE_URL"
        )
    return dataclasses.replace(settings, jwt_secret=_kept_secret(settings.data_dir / "jwt-secret"))


def describe() -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and meaning of every setting, for the documentation."""
    hints = typing.get_type_hints(Settings)
    for name, field in names().items():
        default = "" if field.default is None else str(field.default)
        yield name, _type_name(hints[field.name]), default, field.metadata["meaning"]


def _parse(name: str, text: str, kind: Any, least: int) -> Any:
    """Turn one trimmed value into its type."""
    kind = _required(kind)
    expected = _expected(kind)
    try:
        value = _read(text, kind)
    except (KeyError, ValueError):
        raise SettingsError(f"{name}={text!r} must be {expected}") from None
    if kind in (int, float) and not least <= value < 2**31:
        raise SettingsError(f"{name}={text!r} must be at least {least} and below {2**31}")
    return value


def _read(text: str, kind: Any) -> Any:
    if kind is bool:
        return BOOLEANS[text.lower()]
    if typing.get_origin(kind) is Literal:
        return {choice: choice for choice in typing.get_args(kind)}[text.lower()]
    return kind(text)


def _expected(kind: Any) -> str:
    if kind is bool:
        return f"one of {', '.join(BOOLEANS)}"
    if typing.get_origin(kind) is Literal:
        return f"one of {', '.join(typing.get_args(kind))}"
    return "a whole number" if kind is int else "a number"


def _required(kind: Any) -> Any:
    """Strip `| None`: an absent setting is never parsed."""
    if isinstance(kind, types.UnionType):
        return next(one for one in typing.get_args(kind) if one is not types.NoneType)
    return kind


def _type_name(kind: Any) -> str:
    kind = _required(kind)
    if typing.get_origin(kind) is Literal:
        return " | ".join(typing.get_args(kind))
    return str(kind.__name__)


def _check(settings: Settings) -> None:
    """Refuse what each value alone cannot show to be wrong."""
    if settings.port > 65535:
        raise SettingsError(f"PARLEY_PORT={settings.port} must be at most 65535")
    if settings.database_url and urlsplit(settings.database_url).scheme not in (
        "postgresql",
        "postgres",
    ):
        raise SettingsError("DATABASE_URL must begin with postgresql:// (or postgres://)")
    if settings.jwt_secret and len(settings.jwt_secret.encode()) < SHORTEST_SECRET:
        raise SettingsError(f"PARLEY_JWT_SECRET must be at least {SHORTEST_SECRET} bytes long")
    for name in (
        "jwks_url",
        "whatsapp_api_base",
        "twilio_api_base",
        "public_url",
        "openai_base_url",
    ):
        address = getattr(settings, name)
        if address and urlsplit(address).scheme not in ("https", "http"):
            raise SettingsError(f"PARLEY_{name.upper()} must be an http or https address")


def _kept_secret(path: Path) -> str:
    """Read the data folder's secret; the first to need it writes it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
