"""What the host decides: read once at the start from the environment and ``.env``, checked, then never changed.

``config.example.env`` documents every setting. The core's start with ``TOWNHALL_``, a plugin's with
``TOWNHALL_<NAME>_``. An empty value counts as unset; the environment wins over ``.env``.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import platformdirs
from pydantic import Field, SecretBytes, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableValue

from townhall_bot.machine.env_file import encoding_of, values_in
from townhall_bot.redaction import shown_value
from townhall_bot.shard_range import ShardRange

PREFIX = "TOWNHALL_"
ENV_FILE = ".env"
NOT_OURS = frozenset({"TOWNHALL_DISCORD_OPENAPI"})
"""Variables with the prefix that only Townhall's own tests read."""
Model = TypeVar("Model", bound=BaseSettings)


class SettingsError(Exception):
    """One or more settings cannot be used. The message names each, what was given and what is allowed."""


def _user_data_folder() -> Path:
    """Return the user's data folder. Where there is no home to hold it, checking the setting says so, not this."""
    try:
        return platformdirs.user_data_path("townhall", appauthor=False)
    except RuntimeError:
        return Path("~/townhall")


class Settings(BaseSettings):
    """Townhall's own settings."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")

    token: SecretStr | None = Field(
        default=None,
        description="The bot's token from https://discord.com/developers/applications. `townhall local` needs none.",
    )
    guild: int | None = Field(
        default=None,
        gt=0,
        description="A server's id: commands are registered in that server only. Handy while developing.",
    )
    shards: str | None = Field(
        default=None,
        description="Which shards this process runs: `0-19/100`, or `auto` for as many as Discord advises. Empty: one "
        "connection for all servers, which Discord allows up to 2,500 of them.",
    )
    plugins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Plugins to load, separated by commas. Empty: all. `gpt2`: only that. `-ping`: all but that.",
    )
    data_dir: Path = Field(
        default_factory=_user_data_folder,
        validate_default=True,
        description="The folder for the database and what plugins keep. Empty: the user's data folder.",
    )
    database: SecretStr | None = Field(
        default=None,
        description="PostgreSQL instead of the file in the data folder: `postgresql://user:password@host/name`, with "
        "`pip install 'townhall-bot[postgres]'`. Empty: the file.",
    )
    hear_messages: bool = Field(
        default=True,
        description="Hear messages that mention the bot and direct messages, no others; false: commands only.",
    )
    user_installs: bool = Field(
        default=False,
        description="People may add the bot to their account and use it anywhere; answers are for them alone there.",
    )
    keep_records_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="After how many days the numbers behind statistics (time, server, member, counts) are deleted.",
    )
    drain_s: float = Field(
        default=25.0,
        ge=0,
        le=600,
        description="Seconds a stop (SIGTERM, Ctrl-C) waits for running answers to finish; a second signal ends it.",
    )
    lock_wait_s: float = Field(
        default=40.0,
        ge=0,
        le=600,
        description="Seconds that a start waits for another Townhall with the same data folder to stop.",
    )
    health_host: str = Field(
        default="127.0.0.1",
        description="Where the health page (/healthz, /readyz, /metrics) listens. It has no password: keep it on "
        "loopback, or in a network of its own.",
    )
    health_port: int = Field(
        default=8317, ge=0, le=65535, description="The health page's port while `townhall run` runs; 0: no health page."
    )
    interactions_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Take commands as signed HTTP requests of Discord on this port (0: any free one) instead of by the "
        "gateway. It needs a public https:// address in front of it.",
    )
    interactions_host: str = Field(
        default="127.0.0.1",
        description="Where TOWNHALL_INTERACTIONS_PORT listens; a proxy with TLS stands before it.",
    )
    public_key: str | None = Field(
        default=None,
        description="The application's public key, by which such requests are checked. Empty: Discord is asked for it.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="How much is logged.")
    log_format: Literal["text", "json"] = Field(
        default="text", description="How the log is written: lines for a person, or one JSON object a line."
    )

    @field_validator("shards")
    @classmethod
    def _range(cls, text: str | None) -> str | None:
        if text is not None:
            ShardRange.parse(text)
        return text

    @field_validator("plugins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("plugins")
    @classmethod
    def _one_kind(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len({name.startswith("-") for name in names}) > 1:
            raise ValueError("name either the plugins to load, or with a leading '-' those to leave out, not both")
        return names

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("database")
    @classmethod
    def _postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None or not url.get_secret_value():
            return None
        if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("it must begin with postgresql://; without the setting, SQLite's file is used")
        return url

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        try:
            return path.expanduser().absolute()
        except RuntimeError:
            raise ValueError(
                "this user has no home folder, so the data folder must be named in full, beginning with '/'"
            ) from None

    def wants(self, plugin: str) -> bool:
        """Tell whether TOWNHALL_PLUGINS lets this plugin in."""
        if not self.plugins:
            return True
        if self.plugins[0].startswith("-"):
            return f"-{plugin}" not in self.plugins
        return plugin in self.plugins


def env_name(model: type[BaseSettings], field: str) -> str:
    """Return the environment variable behind a field, in full."""
    return f"{model.model_config.get('env_prefix', '')}{field}".upper()


def env_names(model: type[BaseSettings]) -> dict[str, FieldInfo]:
    """Return every setting of a model under its environment variable's name."""
    return {env_name(model, field): info for field, info in model.model_fields.items()}


def load_settings(model: type[Model], env_file: str | Path | None = ENV_FILE) -> Model:
    """Read a settings model from the environment and ``env_file`` (which may be missing).

    Raises :class:`SettingsError` that names every wrong setting at once.
    """
    try:
        return model(_env_file=env_file, _env_file_encoding=encoding_of(env_file) if env_file else None)
    except ValidationError as error:
        lines = [_explain(model, problem, env_file) for problem in error.errors(include_url=False)]
    except UnreadableValue as error:
        lines = [str(error)]
    except UnicodeDecodeError as error:
        lines = [f"{env_file} is not UTF-8 text: {error}. Save it as UTF-8."]
    except OSError as error:
        lines = [f"{env_file} cannot be read: {error.strerror}. Make it readable, or remove it."]
    raise SettingsError("\n".join(lines))


def given_settings(env_file: str | Path | None = ENV_FILE) -> dict[str, str]:
    """Return what is set, by upper-case name: the file's values, overridden by the environment's."""
    values: dict[str, str | None] = {}
    if env_file is not None and Path(env_file).is_file():
        values.update(_read_env_file(env_file))
    values.update({name: value for name, value in os.environ.items() if value})
    return {name.upper(): value for name, value in values.items() if value}


def unknown_settings(models: Iterable[type[BaseSettings]], given: Mapping[str, str]) -> list[str]:
    """Return one warning per TOWNHALL_ variable that no model knows, with the nearest name that one does."""
    known = NOT_OURS.union(*(env_names(model) for model in models))
    warnings = []
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"Did you mean {near[0]}?" if near else "config.example.env lists those there are."
            warnings.append(f"{name} is not a setting and has no effect. {hint}")
    return warnings


def export_other_variables(env_file: str | Path = ENV_FILE) -> None:
    """Put what ``.env`` says about other programs (CC, HF_HOME, HF_ENDPOINT…) into this process's environment."""
    if not Path(env_file).is_file():
        return
    for name, value in _read_env_file(env_file).items():
        if value and not name.upper().startswith(PREFIX):
            try:
                os.environ.setdefault(name, value)
            except ValueError as error:  # no name of a variable, or a NUL in its value
                raise SettingsError(f"{env_file}: the line of {name!r} cannot be used: {error}. Correct it.") from error


def _read_env_file(env_file: str | Path) -> Mapping[str, str | None]:
    try:
        return values_in(env_file)
    except (UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{env_file} cannot be read: {error}. It must be UTF-8 text, readable for you.") from error


def is_secret(info: FieldInfo) -> bool:
    """Tell whether a setting's value must never be shown."""
    kinds = (info.annotation, *get_args(info.annotation))
    return any(isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes) for kind in kinds)


def default_text(info: FieldInfo) -> str:
    """Return a default as it is written in an env file; empty where there is none or it depends on the machine."""
    value = info.default
    if info.is_required() or info.default_factory is not None or value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


_REASONS = {
    "int_parsing": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_parsing": "it must be a number",
    "bool_parsing": "it must be true or false",
}
"""Plain words for pydantic's kinds of error whose own speak of parsing."""


def _explain(model: type[BaseSettings], problem: Any, env_file: str | Path | None) -> str:
    """Turn one of pydantic's findings into a line for the host."""
    field = str(problem["loc"][0]) if problem["loc"] else ""
    info = model.model_fields.get(field)
    if info is None:  # a validator over the whole model
        return str(problem["msg"]).removeprefix("Value error, ")
    name = env_name(model, field)
    if problem["type"] == "missing":
        return f"{name} is needed and not set. {info.description or ''}".strip()
    reason = _REASONS.get(problem["type"]) or str(problem["msg"]).removeprefix("Value error, ")
    reason = reason.replace("Input should be", "it must be")
    given = given_settings(env_file).get(name)
    if given is None:  # the default does not suit this machine
        return f"{name} is needed: {reason}. {info.description or ''}".rstrip()
    shown = "what was given (not shown, it is a secret)" if is_secret(info) else shown_value(given)
    here = any(variable.upper() == name and value for variable, value in os.environ.items())
    default = f" Default: {default_text(info)}." if default_text(info) else ""
    words = f"{name}: {shown} (from {'the environment' if here else env_file}) is not allowed: {reason}."
    return f"{words} {info.description or ''}{default}".rstrip()
