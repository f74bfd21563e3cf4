"""What the host decides about the plugin: environment variables that start with ``TOWNHALL_GPT2_``."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from plugins.gpt2.model.constants import EMBEDDED_MODEL, Products, Weights
from plugins.gpt2.model.target.device_names import canonical
from plugins.gpt2.model.target.device_plan import DevicePlan, known_plan, plan_for
from plugins.gpt2.protocol import BOUNDS, COUNT_BOUNDS, Bounds, Ending, SamplingParams
from townhall_bot.plugins import PluginSettings

DEFAULTS = SamplingParams()


def router_addresses(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return routers' addresses as they are called; raises ValueError where one is none."""
    for url in given:
        try:
            parts = urlsplit(url)
            fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # of a port that is no number, or too large
            fine = False
        if not fine:
            raise ValueError(f"{url!r} is no address; one looks like http://router:8765")
    return tuple(url.rstrip("/") for url in given)


class GPT2Settings(PluginSettings):
    """Read once at the start; a wrong value stops it with the setting's name."""

    model_config = SettingsConfigDict(env_prefix="TOWNHALL_GPT2_", env_ignore_empty=True, extra="ignore")

    model: str = Field(
        EMBEDDED_MODEL,
        min_length=1,
        description="The model of servers that chose none: townhall-mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl, "
        "distilgpt2, a hub id or a folder.",
    )
    allowed_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Models that admins may choose, separated by commas. Empty: townhall-mini, TOWNHALL_GPT2_MODEL "
        "and the official sizes that fit into this machine's memory.",
    )
    weights: Weights | None = Field(
        None,
        description="How weights are kept in memory. Empty: int8 on a CPU, fp16 on a GPU.",
    )
    draft: str | None = Field(
        None,
        description="A small model that guesses for larger ones of the same vocabulary while one text is written: "
        "distilgpt2 for gpt2-large and gpt2-xl. Empty: none.",
    )
    device: str | None = Field(None, description="tinygrad's device: CPU, CUDA, AMD, METAL. Empty: the best there is.")
    products: Products | None = Field(
        None,
        description="What multiplies int8 and int4 weights on a CPU. Empty: the best that the processor has.",
    )
    threads: int | None = Field(None, ge=1, le=512, description="CPU threads of the engine. Empty: every core.")
    rows: int = Field(8, ge=1, le=32, description="How many texts a model writes at the same time.")
    loaded_models: int = Field(
        2, ge=1, le=16, description="How many models stay in memory; beyond that the one longest unused leaves."
    )
    memory_mb: int | None = Field(
        None, ge=1, description="The most memory in MB that all loaded models may take together. Empty: what is free."
    )
    disk_mb: int | None = Field(
        None, ge=1, description="The most disk in MB that downloaded models may take together. Empty: what is free."
    )
    idle_s: float = Field(
        3600, ge=0, le=31_536_000, description="Seconds without a request after which a model leaves memory. 0: never."
    )
    default_count: int = Field(
        60, ge=COUNT_BOUNDS.low, le=COUNT_BOUNDS.high, description="New tokens where a member gives no count."
    )
    max_count: int = Field(
        300, ge=COUNT_BOUNDS.low, le=COUNT_BOUNDS.high, description="The most new tokens that a member may ask for."
    )
    temperature: float = Field(
        DEFAULTS.temperature,
        ge=BOUNDS["temperature"].low,
        le=BOUNDS["temperature"].high,
        description="Default randomness; 0 always takes the likeliest token.",
    )
    top_p: float = Field(
        DEFAULTS.top_p,
        ge=BOUNDS["top_p"].low,
        le=BOUNDS["top_p"].high,
        description="Default share of probability to draw from.",
    )
    repetition_penalty: float = Field(
        DEFAULTS.repetition_penalty,
        ge=BOUNDS["repetition_penalty"].low,
        le=BOUNDS["repetition_penalty"].high,
        description="How much used words lose. 1 switches the guard off.",
    )
    ending: Ending = Field(
        "sentence",
        description="Where a text ends that reaches its count: sentence goes on to the end of the sentence, for half "
        "the count and 48 tokens at most, or cuts back to the last one; exact ends right there.",
    )
    vote_after_s: float = Field(
        60,
        ge=0,
        le=86400,
        description="Seconds after which anybody may pick one of several texts, and not the asker alone. 0: never.",
    )
    queue_limit: int = Field(32, ge=1, le=1000, description="How many requests may wait.")
    member_limit: int = Field(2, ge=1, le=1000, description="How many requests one member may have at a time.")
    guild_limit: int = Field(16, ge=1, le=1000, description="How many requests one server may have at a time.")
    deadline_s: float = Field(
        600,
        gt=0,
        le=86400,
        description="Seconds after which a request ends, waiting included. After 900 Discord closes its command; "
        "what is longer goes on as an ordinary message.",
    )
    keep_texts_days: int = Field(
        0,
        ge=0,
        le=3650,
        description="Days for which prompts and texts are kept in the database with who asked for them, for hosts who "
        "must be able to moderate; /privacy says so then. 0: they are not kept.",
    )
    direct_messages: bool = Field(
        True, description="Whether a direct message to the bot is a prompt. Servers decide for themselves on mentions."
    )
    router: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses of routers, separated by commas, the one to prefer first: texts are written by the "
        "engines behind them. Empty: by this process.",
    )
    router_secret: SecretStr | None = Field(
        None,
        min_length=8,
        description="What bots, routers and engines know each other by: a long random word, the same for all of them.",
    )
    allow_pickle: bool = Field(
        False, description="Whether pytorch_model.bin may be read. Such a file can run any program: trust its author."
    )

    @field_validator("allowed_models", "router", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("router")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return router_addresses(value)

    @field_validator("device")
    @classmethod
    def _canonical(cls, value: str | None) -> str | None:
        return None if value is None else canonical(value)

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        if self.default_count > self.max_count:
            raise ValueError(
                f"TOWNHALL_GPT2_DEFAULT_COUNT is {self.default_count}, which is above TOWNHALL_GPT2_MAX_COUNT "
                f"({self.max_count}). Lower the one or raise the other."
            )
        return self

    @property
    def count_bounds(self) -> Bounds:
        """What a request's count may be on this host."""
        return Bounds(COUNT_BOUNDS.low, self.max_count)

    @property
    def secret(self) -> str | None:
        """What bots, routers and engines know each other by, None where there is none."""
        return None if self.router_secret is None else self.router_secret.get_secret_value()

    @property
    def memory_budget(self) -> int | None:
        """The host's limit for all models in bytes, None where there is none."""
        return None if self.memory_mb is None else self.memory_mb * 1_000_000

    @property
    def disk_budget(self) -> int | None:
        """The host's limit for all downloads in bytes, None where there is none."""
        return None if self.disk_mb is None else self.disk_mb * 1_000_000

    def device_plan(self) -> DevicePlan:
        """Return where models run and how their weights are kept; see ``plan_for``.

        The first time, on a machine that may have a GPU, it takes a second or two.
        """
        return plan_for(self.device, self.weights)

    def known_plan(self) -> DevicePlan | None:
        """Return :meth:`device_plan` where that is known by now, else None; takes no time."""
        return known_plan(self.device, self.weights)

    @property
    def sampling(self) -> SamplingParams:
        """The defaults of a request."""
        return SamplingParams(
            temperature=self.temperature, top_p=self.top_p, repetition_penalty=self.repetition_penalty
        )
