"""Who may call: good tokens, every kind of bad one, and keys fetched from an issuer."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.http.support import (
    SECRET,
    People,
    Site,
    check_refusal,
    new_id,
    serving,
    settings_for,
    token,
)
from tests.support import connect, new_user
from thin_api import auth


def test_token_of_a_user_is_accepted_twice(people: People) -> None:
    assert people.as_ada.get("/v1/me").status_code == 200
    assert people.as_ada.get("/v1/me").status_code == 200


def test_subject_in_upper_case_is_the_same_user(site: Site, people: People) -> None:
    with site.caller(token(people.ada.upper())) as client:
        assert client.get("/v1/me").json()["user"]["user_id"] == people.ada


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic abc", "Bearer a.b.c", "Bearer x y", "Bearer " + "a" * 9000],
)
def test_header_without_a_token_is_refused(anybody: httpx.Client, header: str) -> None:
    response = anybody.get("/v1/me", headers={"Authorization": header})
    check_refusal(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": 10**30, "nbf": 10**30},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"sub": None},
        {"sub": "somebody"},
        {"sub": "service", "role": "service"},
    ],
    ids=str,
)
def test_token_with_bad_claims_is_refused(site: Site, claims: dict[str, Any]) -> None:
    with site.caller(token(new_id(), **claims)) as client:
        check_refusal(client.get("/v1/me"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "forged",
    [
        lambda user: token(user, secret="another secret, of the same length as ours"),
        lambda user: jwt.encode({"sub": user, "exp": 2**33}, "", algorithm="none"),
        lambda user: jwt.encode({"sub": user, "exp": 2**33}, SECRET + SECRET, algorithm="HS512"),
        lambda user: token(user)[:-2],
        lambda user: _signed(b"[" * 6000, user),
        lambda user: _signed(b'{"alg":["HS256"]}', user),
        lambda user: _signed(b'{"alg":null}', user),
        lambda user: _signed(b'{"alg":"HS256","kid":{}}', user),
        lambda user: _signed(b'{"alg":"HS256","crit":["x"]}', user),
    ],
)
def test_forged_token_is_refused(site: Site, forged: Callable[[str], str]) -> None:
    with site.caller(forged(new_id())) as client:
        check_refusal(client.get("/v1/me"), 401, "unauthenticated")


def test_expiry_is_checked_for_tokens_seen_before(
    site: Site, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.caller(token(people.ada, exp=int(time.time()) + 60)) as client:
        assert client.get("/v1/me").status_code == 200
        now = time.time() + 60 + auth.LEEWAY + 1
        monkeypatch.setattr("thin_api.auth.time.time", lambda: now)
        monkeypatch.setattr(jwt.api_jwt, "datetime", _Clock(now))
        check_refusal(client.get("/v1/me"), 401, "unauthenticated")


def test_public_key_sent_as_token_is_anonymous(anybody: httpx.Client) -> None:
    key = "sb_publishable_x"
    response = anybody.get("/v1/me", headers={"apikey": key, "Authorization": f"Bearer {key}"})
    check_refusal(response, 401, "unauthenticated")


def test_deactivated_user_is_refused(people: People) -> None:
    people.as_service.post("/rpc/deactivate_user_atomic", json={"p_user_id": people.bo})
    check_refusal(people.as_bo.get("/v1/me"), 403, "permission_denied")


def test_issuer_and_audience_are_checked_when_set(fresh_database: str) -> None:
    with connect(fresh_database) as connection:
        user = new_user(connection)
    settings = settings_for(fresh_database, jwt_issuer="https://id.test", jwt_audience="parley")
    with serving(settings) as site:
        for claims, status in (
            ({"iss": "https://id.test", "aud": "parley"}, 200),
            ({"iss": "https://id.test", "aud": ["x", "parley"]}, 200),
            ({"iss": "https://id.test"}, 401),
            ({"aud": "parley"}, 401),
            ({"iss": "https://evil.test", "aud": "parley"}, 401),
            ({"iss": "https://id.test", "aud": "other"}, 401),
        ):
            with site.caller(token(user, **claims)) as client:
                assert client.get("/v1/me").status_code == status, claims


class Issuer:
    """A key server that counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                body = json.dumps({"keys": issuer.keys}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def publish(self, kid: str, key: Any, algorithm: str, **more: str) -> None:
        """Add a public key."""
        kind = jwt.algorithms.get_default_algorithms()[algorithm]
        public = json.loads(kind.to_jwk(key.public_key()))
        self.keys.append({**public, "kid": kid, **more})

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Yield a key server."""
    issuer = Issuer()
    yield issuer
    issuer.close()


def test_keys_of_an_issuer_are_fetched_once_and_again_when_a_new_one_appears(
    fresh_database: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(fresh_database) as connection:
        user = new_user(connection)
    old, new = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    issuer.publish("old", old, "ES256")
    claims = {"sub": user, "exp": int(time.time()) + 60}

    def status(key: Any, algorithm: str, kid: str | None) -> int:
        signed = jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else {})
        with site.caller(signed) as client:
            return client.get("/v1/me").status_code

    with serving(settings_for(fresh_database, jwks_url=issuer.url)) as site:
        assert status(old, "ES256", "old") == 200
        assert status(old, "ES256", None) == 200
        assert issuer.asked == 1
        assert status(new, "RS256", "new") == 401
        assert status(new, "RS256", "newer") == 401
        assert issuer.asked == 1, "unknown keys may not make us ask at will"
        issuer.publish("new", new, "RS256")
        monkeypatch.setattr(auth, "KEYS_MIN_AGE", 0.0)
        assert status(new, "RS256", "new") == 200
        assert issuer.asked == 2
        assert status(new, "RS256", "old") == 401, "a key serves one algorithm"
        with site.caller(token(user)) as client:
            assert client.get("/v1/me").status_code == 200, "the secret still serves HS256"


def test_public_key_is_no_secret(fresh_database: str, issuer: Issuer) -> None:
    key = rsa.generate_private_key(65537, 2048)
    issuer.publish("one", key, "RS256")
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with serving(settings_for(fresh_database, jwt_secret=None, jwks_url=issuer.url)) as site:
        for header in (b'{"alg":"HS256","kid":"one"}', b'{"alg":"HS256"}'):
            with site.caller(_signed(header, new_id(), public)) as client:
                check_refusal(client.get("/v1/me"), 401, "unauthenticated")


def test_issuer_out_of_reach_is_our_trouble_not_the_callers(fresh_database: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signed = jwt.encode({"sub": new_id(), "exp": 2**33}, key, "ES256", headers={"kid": "a"})
    settings = settings_for(fresh_database, jwks_url="http://127.0.0.1:9/jwks.json")
    with serving(settings) as site, site.caller(signed) as client:
        check_refusal(client.get("/v1/me"), 503, "unavailable")


class _Clock:
    """Stands in for the datetime a library reads the time from."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self, tz: Any) -> Any:
        import datetime

        return datetime.datetime.fromtimestamp(self._now, tz)


def _signed(header: bytes, user: str, key: bytes = SECRET.encode()) -> str:
    """Sign any header, sane or not."""
    payload = json.dumps({"sub": user, "exp": 2**33}).encode()
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload))
    signature = hmac.new(key, text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
