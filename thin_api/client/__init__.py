"""A client that cannot lose messages: what it knows (`store`), and how it learns it (`client`)."""

from thin_api.client.client import Client, ClientError, RefusedError, UnauthenticatedError
from thin_api.client.store import Conversation, Frame, Gap, Message, Store

__all__ = [
    "Client",
    "ClientError",
    "Conversation",
    "Frame",
    "Gap",
    "Message",
    "RefusedError",
    "Store",
    "UnauthenticatedError",
]
