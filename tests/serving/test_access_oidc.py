"""Tokens of an identity provider: real keys, real signatures, every trick refused."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from features.errors import ConfigError
from features.home import Home
from features.settings import Oidc
from serving.access.door import Door
from serving.access.guard import Guard, Keyed
from serving.access.issuer import IssuerKeys
from serving.access.keys import add_key
from serving.access.oidc import oidc_tokens
from serving.cli.clock import now

ISSUER = "https://login.bank.example"
RATES = dict.fromkeys(("crm", "marketer", "analyst", "admin"), 1_000_000)


@cache
def keys():
    return {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "other": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    }


def jwks(*names):
    rows = []
    for name in names:
        public = keys()[name].public_key()
        kind, alg = (ECAlgorithm, "ES256") if name == "ec" else (RSAAlgorithm, "RS256")
        rows.append({**json.loads(kind.to_jwk(public)), "kid": name, "alg": alg, "use": "sig"})
    return json.dumps({"keys": rows})


def claims(**changed):
    at = now()
    told = {
        "iss": ISSUER,
        "aud": "tenure",
        "sub": "u1",
        "iat": at,
        "exp": at + timedelta(minutes=5),
        "roles": ["crm", "staff"],
        **changed,
    }
    return {name: value for name, value in told.items() if value is not None}


def token(name="rsa", kid=None, algorithm=None, **changed):
    algorithm = algorithm or ("ES256" if name == "ec" else "RS256")
    return jwt.encode(claims(**changed), keys()[name], algorithm, headers={"kid": kid or name})


class Ticks:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def tick():
    return Ticks()


@pytest.fixture
def bank(tmp_path):
    return Home(tmp_path / "bank")


@pytest.fixture
def door(bank, tmp_path, tick):
    """Ask by a token, as the guard does; the provider's keys are a file or an address."""

    def make(source=None, issuer=ISSUER):
        path = tmp_path / "jwks.json"
        if source is None:
            path.write_text(jwks("rsa", "ec"))
        oidc = Oidc(issuer, "tenure", source or str(path), "roles")
        access = Keyed(Door(bank, now, tick, oidc_tokens(oidc, now, tick)), RATES, tick)

        async def told(request):
            principal = request.state.principal
            return JSONResponse({"id": principal.id, "role": principal.role})

        inner = Starlette(routes=[Route("/v1/scores", told, methods=["POST"])])
        client = TestClient(Guard(inner, lambda: access))
        return lambda t: client.post("/v1/scores", headers={"Authorization": f"Bearer {t}"})

    return make


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_a_token_of_the_provider_lets_in_with_its_role(door, name):
    ask = door()
    for _ in range(2):  # checked, then kept
        assert ask(token(name)).json() == {"id": "oidc:u1", "role": "crm"}
    assert ask(token(name, roles="analyst")).json()["role"] == "analyst"
    assert ask(token(name, roles="marketer")).status_code == 403


def part(content):
    return base64.urlsafe_b64encode(json.dumps(content, default=str).encode()).rstrip(b"=").decode()


def forged(header, secret=None):
    body = claims(iat=None, exp=4_000_000_000)
    signed = f"{part(header)}.{part(body)}"
    mac = b"" if secret is None else hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def pem():
    return keys()["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def late(**by):
    return now() + timedelta(**by)


WRONG = {
    "alg none": lambda: forged({"alg": "none", "kid": "rsa"}),
    "alg None in another case": lambda: forged({"alg": "NoNe", "kid": "rsa"}),
    "HS256 with the public key as secret": lambda: forged({"alg": "HS256", "kid": "rsa"}, pem()),
    "an algorithm that is not the key's": lambda: token("rsa", algorithm="PS256"),
    "a key that is not the provider's": lambda: token("other", kid="rsa"),
    "an unknown key": lambda: token("other"),
    "an EC key under the RSA key's name": lambda: token("ec", kid="rsa"),
    "its own key in the header": lambda: jwt.encode(
        claims(),
        keys()["other"],
        "RS256",
        headers={"kid": "rsa", "jwk": json.loads(jwks("rsa"))["keys"][0]},
    ),
    "another audience": lambda: token(aud="other"),
    "no audience": lambda: token(aud=None),
    "another issuer": lambda: token(iss="https://evil.example"),
    "no issuer": lambda: token(iss=None),
    "expired": lambda: token(exp=late(seconds=-5)),
    "without an end": lambda: token(exp=None),
    "not valid yet": lambda: token(nbf=late(minutes=5)),
    "issued in the future": lambda: token(iat=late(minutes=5)),
    "no subject": lambda: token(sub=None),
    "a changed body": lambda: ".".join((token().split(".")[0], part(claims()), token().split(".")[2])),
    "no signature": lambda: token().rpartition(".")[0] + ".",
    "no token": lambda: "abc.def.ghi",
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_a_token_with_a_trick_is_refused(door, make):
    answer = door()(make())
    assert answer.status_code == 401, answer.text
    assert "u1" not in answer.text


@pytest.mark.parametrize("roles", [None, [], "root", ["crm", "admin"], {"crm": 1}, 7, [["crm"]]])
def test_a_token_that_names_no_one_role_may_nothing(door, roles):
    assert door()(token(roles=roles)).status_code == 403


def test_a_token_of_a_withdrawn_key_is_kept_for_a_minute_at_most(tick, tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(jwks("rsa"))
    oidc = Oidc(ISSUER, "tenure", str(path), "roles")
    tokens = oidc_tokens(oidc, now, tick)
    mine = token(exp=late(minutes=5)).encode()
    assert asyncio.run(tokens.principal(mine)).role == "crm"
    path.write_text(jwks("ec"))  # the key is withdrawn: a minute later at most nothing is kept
    assert asyncio.run(tokens.principal(mine)).role == "crm"
    tick.seconds = 61
    with pytest.raises(Exception, match="not valid"):
        asyncio.run(tokens.principal(mine))


def test_keys_beside_tokens_work_and_a_broken_file_of_either_opens_nothing(door, bank, tmp_path):
    ask = door()
    assert ask(token()).status_code == 200  # there are no keys yet
    _, key = add_key(bank, "crm", "x", 1, now())
    assert ask(key).status_code == 200
    (tmp_path / "jwks.json").write_text('{"keys": [{"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"}]}')
    assert ask(token(sub="u2")).status_code == 503
    assert ask(key).status_code == 200
    bank.keys.write_text("{")
    assert ask(key).status_code == ask(token()).status_code == 503


@pytest.fixture
def provider():
    """A real HTTP server with the provider's keys; says how often it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state["asked"] += 1
            self.send_response(state["status"])
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(state["body"].encode())

        def log_message(self, *_):
            """Quiet."""

    state = {"asked": 0, "status": 200, "body": jwks("rsa")}
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    state["url"] = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_keys_are_fetched_from_the_issuer_and_again_when_they_rotate(door, provider, tick):
    url = provider["url"]
    ask = door(f"{url}/jwks", issuer=url)
    assert ask(token(iss=url)).status_code == 200
    assert (ask(token("ec", iss=url)).status_code, provider["asked"]) == (401, 1)
    provider["body"] = jwks("ec")
    tick.seconds = 61
    assert (ask(token("ec", iss=url)).status_code, provider["asked"]) == (200, 2)
    for number in range(5):  # unknown keys do not make us ask again and again
        assert ask(token("other", kid=str(number), iss=url)).status_code == 401
    assert provider["asked"] == 2
    provider["status"] = 500
    tick.seconds = 130
    assert ask(token("other", iss=url)).status_code == 401
    assert ask(token("ec", iss=url, sub="u2")).status_code == 200  # what was known goes on to count


@pytest.mark.parametrize(("status", "body"), [(302, "{}"), (500, ""), (200, "{"), (200, '{"keys": []}')])
def test_a_provider_that_gives_no_keys_lets_nobody_in(door, provider, status, body):
    provider |= {"status": status, "body": body}
    url = provider["url"]
    assert door(f"{url}/jwks", issuer=url)(token(iss=url)).status_code == 503
    assert provider["asked"] == 1


@pytest.mark.parametrize(
    ("url", "issuer"),
    [
        ("https://evil.example/jwks", ISSUER),
        ("https://login.bank.example.evil.example/jwks", ISSUER),
        ("https://login.bank.example@evil.example/jwks", ISSUER),
        ("https://login.bank.example:444/jwks", ISSUER),
        ("http://login.bank.example/jwks", ISSUER),
        ("http://login.bank.example/jwks", "http://login.bank.example"),
        ("file:///etc/passwd", "file://"),
    ],
)
def test_keys_are_fetched_from_nowhere_but_the_issuer(url, issuer, tick):
    with pytest.raises(ConfigError, match="TENURE_OIDC_KEYS"):
        IssuerKeys(url, issuer, tick)
