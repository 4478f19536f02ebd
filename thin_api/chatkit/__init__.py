"""OpenAI's ChatKit: `POST /chatkit`, for those who have installed the extra of that name."""

import importlib.util

from starlette.types import ASGIApp, Receive, Scope, Send

from thin_api.endpoints import Services
from thin_api.errors import Failure
from thin_api.exchange import exchange_of
from thin_api.hub import Hub
from thin_api.run_stream import Streams

PATH = "/chatkit"


def make_endpoint(services: Services, hub: Hub, streams: Streams) -> ASGIApp:
    """Make the endpoint, or what stands in its place without the extra."""
    if importlib.util.find_spec("chatkit") is None:
        return _Missing()
    from thin_api.chatkit.endpoint import ChatKitEndpoint

    return ChatKitEndpoint(services, hub, streams)


class _Missing:
    """The path without the extra, as an ASGI application."""

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Say what there could be."""
        exchange_of(scope).route = PATH
        raise Failure(
            "not_found",
            "this server does not speak ChatKit",
            hint="install the extra that does: pip install 'parley[chatkit]'",
        )
