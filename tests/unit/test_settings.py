"""Settings: the environment in, a frozen object or a named complaint out, and no password anywhere."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from matchmaker.errors import InvalidInput
from matchmaker.settings import PREFIX, Settings, default_data_dir, redacted_url


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given an environment in which nothing is set for us."""
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def test_nothing_set_is_the_embedded_server_in_the_users_data_folder(tmp_path: Path) -> None:
    settings = Settings.load()
    assert settings.redis_url is None
    assert settings.redis_url_shown is None
    assert settings.realm == "main"
    assert settings.data_dir == tmp_path / "matchmaker"
    assert (settings.socket_timeout_seconds, settings.log_level, settings.log_format) == (5.0, "info", "console")


def test_every_setting_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted = {
        "REDIS_URL": "rediss://app:s3cret@db.example:6380/2",
        "RQ_URL": "redis://jobs.example",
        "DATABASE_URL": "postgresql://app:s3cret@db.example/ladder?sslmode=require",
        "REALM": "eu-1",
        "DATA_DIR": str(tmp_path / "kept"),
        "SOCKET_TIMEOUT_SECONDS": "2.5",
        "LOG_LEVEL": "WARNING",
        "LOG_FORMAT": "json",
    }
    assert {name.lower() for name in wanted} == set(Settings.model_fields), "a setting without a line here"
    for name, value in wanted.items():
        monkeypatch.setenv(PREFIX + name, value)

    settings = Settings.load()

    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == wanted["REDIS_URL"]
    assert settings.rq_url is not None
    assert settings.rq_url.get_secret_value() == wanted["RQ_URL"]
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == wanted["DATABASE_URL"]
    assert (settings.realm, settings.data_dir) == ("eu-1", tmp_path / "kept")
    assert (settings.socket_timeout_seconds, settings.log_level, settings.log_format) == (2.5, "warning", "json")


def test_an_option_wins_over_its_variable_and_none_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHMAKER_REALM", "from-variable")
    assert Settings.load(realm="from-option").realm == "from-option"
    assert Settings.load(realm=None).realm == "from-variable"


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHMAKER_REDIS_URL", "")
    monkeypatch.setenv("MATCHMAKER_REALM", "")
    settings = Settings.load()
    assert (settings.redis_url, settings.realm) == (None, "main")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REALM", "No Spaces"),
        ("REALM", "a" * 65),
        ("REALM", "eu}{"),
        ("REALM", "eu\n"),
        ("SOCKET_TIMEOUT_SECONDS", "soon"),
        ("SOCKET_TIMEOUT_SECONDS", "0"),
        ("SOCKET_TIMEOUT_SECONDS", "-1"),
        ("SOCKET_TIMEOUT_SECONDS", "nan"),
        ("SOCKET_TIMEOUT_SECONDS", "inf"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_bad_variable_is_named_with_its_value_and_bound(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(InvalidInput) as caught:
        Settings.load()
    assert caught.value.field == f"MATCHMAKER_{name}"
    assert caught.value.value == value
    assert caught.value.bound == Settings.model_fields[name.lower()].description


def test_a_bad_option_is_named_as_the_option_it_is() -> None:
    with pytest.raises(InvalidInput) as caught:
        Settings.load(realm="No Spaces")
    assert caught.value.field == "realm"


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@host",
        "redis://:hunter2@host:port",
        "redis://:hunter2@host:70000",
        "redis://:hunter2@host:0",
        "redis://:hunter2@host/first",
        "hunter2",
        "unix://",
    ],
)
def test_a_bad_url_is_refused_and_its_password_is_told_to_nobody(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MATCHMAKER_REDIS_URL", url)
    with pytest.raises(InvalidInput) as caught:
        Settings.load()
    assert caught.value.field == "MATCHMAKER_REDIS_URL"
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url", ["redis://localhost", "redis://localhost:6379/0", "redis://[::1]:6379", "unix:///run/redis.sock?db=1"]
)
def test_usual_urls_are_taken(url: str) -> None:
    settings = Settings.load(redis_url=url)
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == url


def test_no_view_of_the_settings_shows_the_password() -> None:
    settings = Settings.load(redis_url="redis://app:hunter2@host:6379/1")
    views = [repr(settings), str(settings), settings.model_dump_json(), str(settings.redis_url_shown)]
    assert not [view for view in views if "hunter2" in view]
    assert settings.redis_url_shown == "redis://app:***@host:6379/1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:p%40ss@host", "redis://:***@host"),
        ("redis://app:a:b@c@host:1", "redis://app:***@host:1"),
        ("redis://host?password=x&db=1", "redis://host?password=***&db=1"),
        ("unix://app:x@/run/redis.sock", "unix://app:***@/run/redis.sock"),
    ],
)
def test_redacted_url(url: str, shown: str) -> None:
    assert redacted_url(url) == shown


def test_settings_cannot_be_changed() -> None:
    settings = Settings.load()
    with pytest.raises(ValidationError):
        settings.realm = "other"


def test_what_is_no_setting_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="relam"):
        Settings.load(relam="main")


def test_a_relative_data_home_is_ignored_as_its_standard_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    below = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    assert default_data_dir() == tmp_path / below / "matchmaker"


def test_a_tilde_in_the_data_folder_is_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MATCHMAKER_DATA_DIR", "~/mm")
    assert Settings.load().data_dir == tmp_path / "mm"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app@db.example/ladder",
        "postgres://app:p%40ss%2F@db.example:5433/ladder?sslmode=require",
        "postgresql:///ladder?host=%2Frun%2Fpostgresql&user=app",
    ],
)
def test_a_database_is_named_by_its_url(url: str) -> None:
    loaded = Settings.load(database_url=url).database_url
    assert loaded is not None
    assert loaded.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "mysql://app@db/ladder",
        "db.example/ladder",
        "postgresql://app:s3cret@db:0/x",
        "postgresql://app:p@ss/s3cret@db/x",
    ],
)
def test_what_names_no_database_is_refused_without_its_secret(url: str) -> None:
    """Given another scheme, or a password whose @ and / stand as they are, then the refusal shows nothing of it."""
    with pytest.raises(InvalidInput) as refused:
        Settings.load(database_url=url)
    assert refused.value.field == "database_url"
    assert "s3cret" not in str(refused.value)
    assert "postgresql://" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"database_url": "postgresql://db/x"}, "redis://realms"),
        ({"rq_url": "redis://jobs"}, "redis://jobs"),
        ({"rq_url": "redis://jobs", "database_url": "postgresql://db/x"}, "redis://jobs"),
    ],
)
def test_where_recorders_get_their_jobs(given: dict[str, str], expected: str | None) -> None:
    assert Settings.load(**given).jobs_url("redis://realms") == expected


def test_a_database_is_shown_without_its_password() -> None:
    loaded = Settings.load(database_url="postgresql://app:s3cret@db/x?password=s3cret&sslpassword=s3cret")
    assert loaded.database_url_shown == "postgresql://app:***@db/x?password=***&sslpassword=***"
    socket = Settings.load(database_url="postgresql:///x?host=%2Frun")
    assert socket.database_url_shown == "postgresql:///x?host=/run"
