"""`parley import-whatsapp`: conversations of an older inbox, merged into one log a contact."""

from thin_api.importing.command import add_arguments, run
from thin_api.importing.rows import ImportingError

__all__ = ["ImportingError", "add_arguments", "run"]
