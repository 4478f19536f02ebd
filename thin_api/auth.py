"""Who calls: a JWT becomes a caller, or a 401."""

import asyncio
import dataclasses
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import structlog

from thin_api import arguments, errors
from thin_api.errors import Failure
from thin_api.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

LEEWAY = 10  # seconds two clocks may differ
LONGEST_TOKEN = 8192
REMEMBERED_TOKENS = 10_000
REMEMBERED_SECONDS = 60.0  # a withdrawn key stops working within this
KEYS_MAX_AGE = 600.0
KEYS_MIN_AGE = 10.0  # an unknown key id causes no more than one fetch in this time
FETCH_TIMEOUT = 5.0
ALGORITHMS: Mapping[tuple[str, str | None], str] = {
    ("EC", "P-256"): "ES256",
    ("RSA", None): "RS256",
}


def issue(settings: Settings, user_id: str | None, *, seconds: int, service: bool = False) -> str:
    """Sign a token with the shared secret, as this server would accept it."""
    if not settings.jwt_secret:
        raise SettingsError("tokens come from the issuer of PARLEY_JWKS_URL; no PARLEY_JWT_SECRET")
    now = int(time.time())
    claims = {
        "sub": user_id,
        "iat": now,
        "exp": now + seconds,
        "role": "service" if service else None,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, settings.jwt_secret, algorithm="HS256")


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and on whose behalf."""

    actor_id: str | None
    service: bool
    claims: str  # as JSON, for request.jwt.claims
    expires: float  # seconds since 1970, what clocks may differ included

    def acting_as(self, actor_id: bytes | None) -> "Caller":
        """Apply the header X-Actor-Id, which only a service may use for somebody else."""
        if actor_id is None:
            return self
        wanted = arguments.uuid("X-Actor-Id", actor_id.decode("latin-1")).lower()
        if wanted == self.actor_id:
            return self
        if not self.service:
            raise Failure("permission_denied", "only a service token may act for somebody else")
        return dataclasses.replace(self, actor_id=wanted)


class Authenticator:
    """Verifies tokens, remembering those it has seen."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.jwt_secret
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._keys = KeySet(settings.jwks_url) if settings.jwks_url else None
        self._seen: dict[bytes, tuple[float, Caller]] = {}

    async def caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Return who sends this request; Failure when that is not proven."""
        return (await self.holder(bearer(headers))).acting_as(headers.get(b"x-actor-id"))

    async def streamer(self, headers: Mapping[bytes, bytes], query: dict[str, str]) -> Caller:
        """Return who asks for a stream: EventSource sends no header, so the query counts, too."""
        token = query.pop("access_token", None)
        return await (self.caller(headers) if token is None else self.holder(token.encode()))

    async def holder(self, token: bytes) -> Caller:
        """Return who a token was made for; Failure when it is not valid."""
        if len(token) > LONGEST_TOKEN:
            raise unauthenticated("the token is too long")
        seen = self._seen.get(token)
        if seen is not None and seen[0] > time.time():
            return seen[1]
        caller = _caller(await self._verify(token))
        self._remember(token, caller)
        return caller

    async def close(self) -> None:
        """Close the connection to the key server."""
        if self._keys is not None:
            await self._keys.close()

    async def _verify(self, token: bytes) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            key = await self._key(algorithm, header.get("kid"))
            payload = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp"], "verify_aud": self._audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise unauthenticated("the token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise unauthenticated("the token is not valid") from None
        return payload

    async def _key(self, algorithm: str, kid: Any) -> Any:
        """Choose the key by the algorithm's family: no key ever serves two algorithms."""
        if algorithm == "HS256" and self._secret is not None:
            return self._secret
        if algorithm in ALGORITHMS.values() and self._keys is not None:
            return await self._keys.find(algorithm, kid)
        raise jwt.InvalidAlgorithmError

    def _remember(self, token: bytes, caller: Caller) -> None:
        if len(self._seen) >= REMEMBERED_TOKENS:
            del self._seen[next(iter(self._seen))]
        self._seen[token] = (min(caller.expires, time.time() + REMEMBERED_SECONDS), caller)


class KeySet:
    """The issuer's public keys, fetched when needed and not more often."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.AsyncClient(timeout=FETCH_TIMEOUT)
        self._keys: dict[tuple[str, str | None], Any] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, algorithm: str, kid: Any) -> Any:
        """Return the key of this id for this algorithm, fetching the keys again if it is new."""
        wanted = kid if isinstance(kid, str) else None
        key = self._known(algorithm, wanted)
        if key is None or time.monotonic() - self._fetched > KEYS_MAX_AGE:
            await self._fetch()
            key = self._known(algorithm, wanted)
        if key is not None:
            return key
        if self._fetched == float("-inf"):
            raise errors.unavailable("the keys of the token issuer cannot be fetched now")
        raise jwt.InvalidKeyError

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._client.aclose()

    def _known(self, algorithm: str, kid: str | None) -> Any:
        if kid is not None:
            return self._keys.get((algorithm, kid))
        fitting = [key for (served, _), key in self._keys.items() if served == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    async def _fetch(self) -> None:
        async with self._fetching:
            if time.monotonic() - self._tried < KEYS_MIN_AGE:
                return
            self._tried = time.monotonic()
            try:
                response = await self._client.get(self._url)
                response.raise_for_status()
                self._keys = dict(_public_keys(response.json()))
                self._fetched = time.monotonic()
            except (httpx.HTTPError, ValueError, TypeError, KeyError, AttributeError) as error:
                log.warning("jwks_not_fetched", reason=type(error).__name__)


def bearer(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the token of a request; Failure when it comes without one."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    token = token.strip()
    # supabase-js without a session sends its public key as the token, too.
    if scheme.lower() != b"bearer" or not token or token == headers.get(b"apikey"):
        raise Failure(
            "unauthenticated",
            "this needs the header Authorization: Bearer <token>",
            headers=((b"www-authenticate", b"Bearer"),),
        )
    return token


def unauthenticated(message: str) -> Failure:
    """Refuse a request whose caller is not proven."""
    return Failure(
        "unauthenticated",
        message,
        headers=((b"www-authenticate", b'Bearer error="invalid_token"'),),
    )


def _caller(payload: Mapping[str, Any]) -> Caller:
    service = payload.get("role") == "service"
    subject = payload.get("sub")
    expires = float(payload["exp"]) + LEEWAY
    if subject is None and service:
        return Caller(None, service, "", expires)
    if not isinstance(subject, str) or not arguments.UUID.fullmatch(subject):
        raise unauthenticated("the subject of the token is not a uuid")
    return Caller(subject.lower(), service, json.dumps(payload), expires)


def _public_keys(document: Any) -> Any:
    """Pair each usable key with the one algorithm its type allows."""
    for entry in document["keys"]:
        algorithm = ALGORITHMS.get((entry.get("kty"), entry.get("crv")))
        if algorithm is None or entry.get("alg", algorithm) != algorithm:
            continue
        if entry.get("use", "sig") == "sig":
            try:
                key = jwt.PyJWK(entry, algorithm=algorithm)
            except jwt.PyJWTError:
                log.warning("jwk_unusable", algorithm=algorithm)
                continue
            yield (algorithm, entry.get("kid")), key
