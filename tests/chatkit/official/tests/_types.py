"""What OpenAI's tests pass as the context of a request; their sdist comes without it."""

from pydantic import BaseModel


class RequestContext(BaseModel):
    """Whose request it is."""

    user_id: str
