import pytest

from thin_api.providers.phones import e164


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("972546543210", "+972546543210"),
        ("+972 54-654-3210", "+972546543210"),
        ("00972546543210", "+972546543210"),
        ("+1 (650) 555.1234", "+16505551234"),
        ("+1 650 555 1234 ext. 5", "+16505551234"),
        ("15550783881", "+15550783881"),  # not assigned, but used for tests
        ("\u202a+44 7911 123456\u202c", "+447911123456"),
    ],
)
def test_an_international_number_gets_one_form_however_it_is_written(
    written: str, number: str
) -> None:
    assert e164(written) == number


@pytest.mark.parametrize("written", ["5215512345678", "+52 1 55 1234 5678", "525512345678"])
def test_mexican_numbers_with_and_without_the_old_mobile_prefix_are_one(written: str) -> None:
    assert e164(written) == "+525512345678"


@pytest.mark.parametrize("written", ["551692318222", "5516992318222", "+55 16 9231-8222"])
def test_brazilian_mobile_numbers_of_eight_and_nine_digits_are_one(written: str) -> None:
    assert e164(written) == "+5516992318222"


def test_a_brazilian_landline_stays_as_it_is() -> None:
    assert e164("551632318222") == "+551632318222"


def test_a_national_number_needs_its_region() -> None:
    assert e164("054-654-3210") is None
    assert e164("054-654-3210", "IL") == "+972546543210"
    assert e164("(16) 9231-8222", "BR") == "+5516992318222"
    assert e164("+1 650 555 1234", "IL") == "+16505551234"


@pytest.mark.parametrize(
    "written",
    ["", "+", "12", "0", "US.13491208655302741918", "<NUMBER>", "fowefinoewcnw", "1" * 40],
)
def test_what_cannot_be_a_number_is_none(written: str) -> None:
    assert e164(written) is None
