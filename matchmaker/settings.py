"""Settings from the environment, one prefix (``MATCHMAKER_``), units in the names. Made at the edge, handed inwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from matchmaker.errors import InvalidInput
from matchmaker.model import Name

PREFIX = "MATCHMAKER_"
DATABASE_URL_BOUND = (
    "postgresql://[user[:password]@][host][:port]/database[?parameter=value]; in a password, @ : / ? # and % are "
    "written %40 %3A %2F %3F %23 and %25"
)
_HIDDEN = "***"
_SCHEMES = ("redis", "rediss", "unix")
_DATABASE_SCHEMES = ("postgresql", "postgres")
_SECRET = ("redis_url", "rq_url", "database_url")
_SECRET_PARAMETERS = ("password", "sslpassword")


def default_data_dir() -> Path:
    """Where this platform keeps a user's data: ``$XDG_DATA_HOME/matchmaker``, ``~/.local/share/matchmaker`` or, on
    macOS, ``~/Library/Application Support/matchmaker``."""
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    if named.is_absolute():  # the standard asks to ignore any other
        return named / "matchmaker"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise InvalidInput(f"{PREFIX}DATA_DIR", None, "a folder, since this user has no home folder") from error
    return home / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "matchmaker"


def redacted_url(url: str) -> str:
    """The URL as it may be shown: a password in it, before the host or as a parameter, is ``***``; so is all of what is
    no URL. A password may hold anything: it ends at the last @."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _HIDDEN
    user, at, place = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    parts = urlsplit(f"{scheme}://{name}{colon}{_HIDDEN if colon else ''}{at}{place}")
    pairs = [(key, _HIDDEN if key in _SECRET_PARAMETERS else value) for key, value in parse_qsl(parts.query)]
    shown = urlunsplit(parts._replace(query=urlencode(pairs, safe="*/")))
    # A URL without a host, as that of a Unix socket, keeps its slashes.
    return shown if parts.netloc or shown.startswith(f"{parts.scheme}://") else shown.replace(":", "://", 1)


def is_ambiguous(url: str) -> bool:
    """Whether a user or password holds an @, / or # as it is. libpq would take a part of that for the host, and tell
    everybody that there is no such host. Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    return parts.netloc.count("@") > 1 or "@" in parts.path + parts.query + parts.fragment


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class Settings(BaseSettings):
    """What an operator sets. A field's description is its bound, in the words an error uses.

    ``redis_url`` None means: start the embedded server, with its data in ``data_dir``. So does ``database_url`` for
    ``up`` and the demo; elsewhere None means that nothing is recorded and no rating is looked up.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    redis_url: SecretStr | None = Field(
        default=None,
        description="redis://[user[:password]@]host[:port][/db], the same with rediss://, or unix:///path[?db=n]",
    )
    database_url: SecretStr | None = Field(default=None, description=DATABASE_URL_BOUND)
    rq_url: SecretStr | None = Field(
        default=None, description="as MATCHMAKER_REDIS_URL, which is also what stands here if nothing is set"
    )
    realm: Name = Field(default="main", description="1 to 64 of a-z, 0-9, - and _, the first a letter or digit")
    data_dir: Path = Field(default_factory=default_data_dir, description="a folder")
    socket_timeout_seconds: float = Field(
        default=5.0, ge=0.1, le=60, allow_inf_nan=False, description="a number of seconds from 0.1 to 60"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lowered)] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Annotated[Literal["console", "json"], BeforeValidator(_lowered)] = Field(
        default="console", description="console or json"
    )

    @field_validator("redis_url", "rq_url")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        parts = urlsplit(value.get_secret_value())
        database = parts.path.strip("/")
        if parts.scheme not in _SCHEMES or parts.port == 0:  # .port raises ValueError for what is no port number
            raise ValueError("neither redis://, rediss:// nor unix://, or port 0")
        if parts.scheme == "unix" and not database:
            raise ValueError("no path of a socket")
        if parts.scheme != "unix" and not (database == "" or (database.isascii() and database.isdigit())):
            raise ValueError("a database is a number")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in _DATABASE_SCHEMES or parts.port == 0 or is_ambiguous(value.get_secret_value()):
            raise ValueError("not postgresql://, or a user or password whose @ and / are not percent-encoded")
        return value

    @field_validator("data_dir")
    @classmethod
    def _expanded(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    def jobs_url(self, redis_url: str) -> str | None:
        """Where recorders get their RQ jobs: the server that is set, or the realms' own where a database is set. None:
        nothing is recorded, as far as this process knows."""
        if self.rq_url is not None:
            return self.rq_url.get_secret_value()
        return redis_url if self.database_url is not None else None

    @property
    def redis_url_shown(self) -> str | None:
        """:attr:`redis_url` without its password."""
        return None if self.redis_url is None else redacted_url(self.redis_url.get_secret_value())

    @property
    def database_url_shown(self) -> str | None:
        """:attr:`database_url` without its password."""
        return None if self.database_url is None else redacted_url(self.database_url.get_secret_value())

    @classmethod
    def load(cls, **given: Any) -> Self:
        """The environment, under what was ``given`` (options of a command; None counts as not given).

        Raises InvalidInput that names the variable, or the option if the value came from there.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        unknown = chosen.keys() - cls.model_fields.keys()
        if unknown:
            raise TypeError(f"not settings: {', '.join(sorted(unknown))}")
        try:
            return cls(**chosen)
        except ValidationError as error:
            name = str(error.errors(include_input=False)[0]["loc"][0])
            variable = f"{PREFIX}{name.upper()}"
            value = chosen.get(name, os.environ.get(variable))
            shown = _HIDDEN if name in _SECRET else value
            bound = cls.model_fields[name].description or "another value"
            raise InvalidInput(name if name in chosen else variable, shown, bound) from None
