"""Where OpenAI's tests look for `tests._types`; the tests themselves lie in their sdist."""

import os

__path__.append(os.environ["CHATKIT_TESTS"])
