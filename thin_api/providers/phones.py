"""Phone numbers as people and providers write them, in one canonical form."""

import functools
import re

import phonenumbers
from phonenumbers import PhoneNumberFormat

E164 = re.compile(r"\+[1-9][0-9]{4,14}")
INTERNATIONAL = re.compile(r"(?:\+|00)?[1-9][0-9]*")
PUNCTUATION = re.compile(r"[\s().\-/\u200e\u200f\u202a-\u202e\u2066-\u2069]+")

# Old forms that networks still use as ids: Mexico's mobile prefix 1, gone since 2019, and Brazil's
# mobile numbers without the 9 that was put before them until 2016 (landlines begin with 2 to 5).
MEXICO = re.compile(r"\+521([0-9]{10})\Z")
BRAZIL = re.compile(r"\+55([1-9][0-9])([6-9][0-9]{7})\Z")


@functools.lru_cache(maxsize=16_384)
def e164(number: str, region: str | None = None) -> str | None:
    """Write an international number as E.164, a national one too if its region is given.

    None for what cannot be a number. Networks give numbers of their own to accounts for tests, so
    being possible is enough; whether a number is assigned is not asked.
    """
    digits = PUNCTUATION.sub("", number)
    if not digits.isascii():
        return None
    if INTERNATIONAL.fullmatch(digits) and (region is None or digits[0] == "+"):
        digits = f"+{digits.removeprefix('+').removeprefix('00')}"
    digits = _renewed(digits)
    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    written = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    canonical = _renewed(written)
    return canonical if E164.fullmatch(canonical) else None


def _renewed(number: str) -> str:
    return BRAZIL.sub(r"+55\g<1>9\2", MEXICO.sub(r"+52\1", number))
