"""Server-sent events (https://html.spec.whatwg.org/#server-sent-events): what streams share."""

from starlette.types import Message

HEARTBEAT = 15.0  # seconds without anything to tell, after which a comment shows that we are there
PATIENCE = 30.0  # seconds a client may take for what was sent; nothing else shows it is gone
START = b"retry: 1000\n\n"
COMMENT = b":\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
]


def event(name: str, data: bytes, identity: str | None = None) -> bytes:
    """Write an event; JSON has no line feed, so its data is one line."""
    about = f"event: {name}\n" + (f"id: {identity}\n" if identity else "")
    return b"%sdata: %s\n\n" % (about.encode(), data)


def start() -> Message:
    """Begin an answer that is a stream."""
    return {"type": "http.response.start", "status": 200, "headers": HEADERS}


def chunk(content: bytes, *, last: bool = False) -> Message:
    """Go on with it, or end it."""
    return {"type": "http.response.body", "body": content, "more_body": not last}
