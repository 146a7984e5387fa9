"""PyJWT as a maker of tokens: see ../README.md."""

import base64
import hashlib
import hmac
import json
import secrets
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1(), "ES256K": ec.SECP256K1()}
ALGORITHMS = ["HS256", "HS384", "HS512", *sorted(RSA), "ES256", "ES384", "EdDSA"]


def make(algorithm):
    if algorithm.startswith("HS"):
        return secrets.token_urlsafe(64)
    if algorithm in RSA:
        return rsa.generate_private_key(65537, 2048)
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(CURVES[algorithm])


def public(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header, claims, signature=b""):
    return ".".join([b64(json.dumps(header).encode()), b64(json.dumps(claims).encode()), b64(signature)])


now = int(time.time())
good = {"sub": "alice", "iss": "https://id.example", "aud": ["chat", "mail"], "iat": now, "nbf": now - 1, "exp": now + 600}
made = {algorithm: make(algorithm) for algorithm in ALGORITHMS}
keys = [
    {"kid": f"kid-{algorithm}", "algorithm": algorithm, **({"secret": key} if isinstance(key, str) else {"public_key": public(key)})}
    for algorithm, key in made.items()
]
tokens = []


def add(name, token, cause=None):
    tokens.append({"name": name, "token": token, "cause": cause})


def signed(algorithm, claims=good, key=None, kid="", **header):
    header = header if kid is None else {"kid": kid or f"kid-{algorithm}", **header}
    return jwt.encode(claims, key or made[algorithm], algorithm, headers=header)


def without(name):
    return {claim: value for claim, value in good.items() if claim != name}


for algorithm in ALGORITHMS:
    head, claims, signature = signed(algorithm).split(".")
    forged = b64(json.dumps({**good, "sub": "mallory"}).encode())
    add(f"{algorithm}", ".".join([head, claims, signature]))
    add(f"{algorithm} without kid", signed(algorithm, kid=None))
    add(f"{algorithm}, forged claims", ".".join([head, forged, signature]), "token-signature")
    add(f"{algorithm} by another key", signed(algorithm, key=make(algorithm)), "token-signature")
    add(f"{algorithm} without a signature", f"{head}.{claims}.", "token-signature")
    add(f"{algorithm}, expired", signed(algorithm, {**good, "exp": now - 60}), "token-expired")
    add(f"{algorithm}, an unknown key", signed(algorithm, kid="unknown"), "token-key-unknown")

add("of tomorrow", signed("RS256", {**good, "nbf": now + 86400}), "token-not-yet-valid")
add("a time with a fraction", signed("RS256", {**good, "exp": now + 600.5}))
add("for somebody else", signed("RS256", {**good, "aud": "mail"}), "token-audience")
add("for nobody", signed("RS256", without("aud")), "token-audience")
add("from somebody else", signed("RS256", {**good, "iss": "https://evil.example"}), "token-issuer")
add("from nobody", signed("RS256", without("iss")), "token-issuer")
add("without a user", signed("RS256", without("sub")), "token-claim-missing")
add("an empty user", signed("RS256", {**good, "sub": ""}), "token-claim-wrong")

# The attacks that have names. PyJWT refuses to make some of them, so they are made by hand.
for kid, cause in [("kid-RS256", "token-algorithm"), ("unknown", "token-key-unknown")]:
    start = by_hand({"alg": "HS256", "kid": kid}, good).rsplit(".", 1)[0]
    stolen = hmac.new(public(made["RS256"]).encode(), start.encode(), hashlib.sha256).digest()
    add(f"RS256's public key as a secret, {kid}", f"{start}.{b64(stolen)}", cause)
for name in ["none", "None", "NONE", "nOnE"]:
    add(f"alg {name}", by_hand({"alg": name}, good), "token-algorithm")
    add(f"alg {name}, of a known key", by_hand({"alg": name, "kid": "kid-HS256"}, good, b"x"), "token-algorithm")
add("none by PyJWT", jwt.encode(good, None, "none"), "token-algorithm")
add("PS256 by the key of RS256", signed("PS256", key=made["RS256"], kid="kid-RS256"), "token-algorithm")
add("RS512 by the key of RS256", signed("RS512", key=made["RS256"], kid="kid-RS256"), "token-algorithm")
add("HS512 by the secret of HS256", signed("HS512", key=made["HS256"], kid="kid-HS256"), "token-algorithm")
add("ES512", signed("ES512", key=make("ES512")), "token-algorithm")
add("ES256K", signed("ES256K", key=make("ES256K")), "token-algorithm")
own = make("RS256")
own_jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
add("a key that it brings along", signed("RS256", key=own, jwk=own_jwk), "token-signature")
add("an address that it brings along", signed("RS256", key=own, jku="http://127.0.0.1:1/keys"), "token-signature")
add("crit", by_hand({"alg": "HS256", "kid": "kid-HS256", "crit": ["exp"]}, good, b"x" * 32), "token-malformed")
add("claims that are a list", by_hand({"alg": "HS256", "kid": "kid-HS256"}, [good], b"x" * 32), "token-signature")
claims = jwt.api_jws.encode(b"[1]", made["HS256"], "HS256", {"kid": "kid-HS256"})
add("a signed list", claims, "token-malformed")
add("huge", signed("RS256", {**good, "pad": "x" * 9000}), "token-too-long")
add("garbage", secrets.token_urlsafe(200), "token-malformed")
add("garbage in three parts", ".".join(secrets.token_urlsafe(50) for _ in range(3)), "token-malformed")
add("five parts", ".".join(secrets.token_urlsafe(50) for _ in range(5)), "token-malformed")
add("dots", "..", "token-malformed")

print(json.dumps({"keys": keys, "tokens": tokens}))
