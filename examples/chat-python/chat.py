"""A chat back end: Silverback holds the connections, this says what happens on them. See ../README.md."""

import base64
import hmac
import json
import os
import time
import urllib.parse
import urllib.request

from flask import Flask, abort, request
from werkzeug.serving import WSGIRequestHandler

SILVERBACK = os.environ.get("SILVERBACK_URL", "http://127.0.0.1:8080")
API_KEY = os.environ["SILVERBACK_API_KEY"]
SECRET = os.environ["SILVERBACK_HOOKS_SECRET"]

app = Flask(__name__)


def verify(secret: str, headers, body: bytes) -> None:
    """Raises ValueError unless this came from our Silverback, and recently."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    seconds = int(headers["webhook-timestamp"])
    if abs(time.time() - seconds) > 300:
        raise ValueError("too old, or from the future")
    signed = f"{headers['webhook-id']}.{seconds}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    if not any(hmac.compare_digest(expected, given) for given in headers["webhook-signature"].split(" ")):
        raise ValueError("the signature is wrong")


def api(path: str, body=None):
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(SILVERBACK + path, data, headers), timeout=5) as answer:
        return json.load(answer)


def tell_everyone(text: str) -> None:
    api("/v1/messages", {"to": "everyone", "message": {"text": text}})


@app.post("/hooks")
def hook():
    body = request.get_data()
    try:
        verify(SECRET, request.headers, body)
    except (KeyError, ValueError) as error:
        abort(401, str(error))
    user = urllib.parse.unquote(request.headers.get("ce-user", ""))
    match request.headers["ce-type"]:
        case "silverback.session.connect":
            if request.json["user"] == "admin":
                return {"reason": "nobody is called admin here"}, 403
        case "silverback.session.connected":
            tell_everyone(f"* {user} is here")
        case "silverback.session.ended":
            tell_everyone(f"* {user} has left")
        case "silverback.message" if body == b"/who":
            users = {session["user"] for session in api("/v1/sessions?limit=1000")["sessions"]}
            return "* here: " + ", ".join(sorted(users)), {"Content-Type": "text/plain"}
        case "silverback.message":
            tell_everyone(f"{user}: {body.decode()}")
    return "", 204


if __name__ == "__main__":
    WSGIRequestHandler.protocol_version = "HTTP/1.1"  # connections are kept
    app.run("127.0.0.1", int(os.environ.get("PORT", "3000")), threaded=True)
