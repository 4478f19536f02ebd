from pathlib import Path

import pytest

from thin_api.settings import Settings, SettingsError, describe, load, with_secret

LONG = "a secret of at least thirty-two bytes"


def test_nothing_set_means_the_embedded_server_and_the_defaults() -> None:
    settings = load({})
    assert (settings.database_url, settings.host, settings.port) == (None, "127.0.0.1", 8000)
    assert settings.data_dir == Path(".parley").absolute()


def test_values_are_trimmed_and_an_empty_one_counts_as_not_set() -> None:
    settings = load({"PARLEY_PORT": " 80\n", "PARLEY_HOST": "  ", "PARLEY_LOG": "DEBUG\n"})
    assert (settings.port, settings.host, settings.log) == (80, "127.0.0.1", "debug")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PARLEY_PORT", "http", "must be a whole number"),
        ("PARLEY_PORT", "65536", "at most 65535"),
        ("PARLEY_PORT", "-1", "at least 0"),
        ("PARLEY_WORKERS", "0", "at least 1"),
        ("PARLEY_POOL_WAIT", "soon", "must be a number"),
        ("PARLEY_POOL_WAIT", "nan", "at least 0"),
        ("PARLEY_LOG", "loud", "one of debug, info, warning, error"),
        ("PARLEY_JWT_SECRET", "short", "at least 32 bytes"),
        ("PARLEY_JWKS_URL", "file:///etc/passwd", "http or https"),
        ("DATABASE_URL", "host=localhost", "postgresql://"),
        ("DATABASE_URL", "postgresql+asyncpg://localhost/x", "postgresql://"),
    ],
)
def test_an_unreadable_value_stops_with_one_line_that_names_it(
    name: str, value: str, reason: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        load({name: value})
    message = str(raised.value)
    assert message.startswith(name)
    assert reason in message
    assert "\n" not in message


def test_an_unknown_name_stops_and_is_met_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match=r"PARLEY_PROT is not a setting.*PARLEY_PORT"):
        load({"PARLEY_PROT": "80"})


def test_names_of_other_programs_are_none_of_our_business() -> None:
    assert load({"PATH": "/bin", "PGHOST": "db", "PARLEYVOO": "1"}) == load({})


@pytest.mark.parametrize(
    "name", ["PARLEY_PUBLIC_URL", "PARLEY_WHATSAPP_API_BASE", "PARLEY_OPENAI_BASE_URL"]
)
def test_an_address_must_be_one_of_the_web(name: str) -> None:
    assert load({name: "https://example.org/v1"}) != load({})
    with pytest.raises(SettingsError, match=name):
        load({name: "example.org/v1"})


def test_secrets_never_show_in_a_representation() -> None:
    settings = load(
        {
            "DATABASE_URL": "postgresql://u:hunter2@h/d",
            "PARLEY_JWT_SECRET": LONG,
            "PARLEY_OPENAI_API_KEY": "sk-hunter2",
        }
    )
    assert "hunter2" not in repr(settings)
    assert LONG not in repr(settings)


def test_a_secret_of_our_own_is_kept_private_in_the_data_folder(tmp_path: Path) -> None:
    settings = load({"PARLEY_DATA_DIR": str(tmp_path / "data")})
    secret = with_secret(settings).jwt_secret
    assert secret is not None
    assert len(secret) >= 32
    assert with_secret(settings).jwt_secret == secret
    (kept,) = (tmp_path / "data").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_with_a_database_of_ones_own_a_key_is_required() -> None:
    with pytest.raises(SettingsError, match=r"PARLEY_JWT_SECRET.*PARLEY_JWKS_URL"):
        with_secret(load({"DATABASE_URL": "postgresql://localhost/parley"}))


@pytest.mark.parametrize("name", ["PARLEY_JWT_SECRET", "PARLEY_JWKS_URL"])
def test_either_key_will_do(name: str) -> None:
    value = LONG if name == "PARLEY_JWT_SECRET" else "https://issuer.example/jwks.json"
    settings = load({"DATABASE_URL": "postgresql://localhost/parley", name: value})
    assert with_secret(settings) == settings


def test_every_setting_says_what_it_means() -> None:
    rows = list(describe())
    assert len(rows) == len(Settings.__dataclass_fields__)
    assert all(meaning for *_, meaning in rows)
