"""A pool of engines as an application of Ray Serve: for ``townhall ray up``, and for Serve's own config files.

In such a file (``serve deploy``, KubeRay's ``serveConfigV2``) each model is one application::

    applications:
      - name: townhall-gpt2
        route_prefix: null
        import_path: plugins.gpt2.ray_host.app:pool
        args: {model: gpt2, routers: ["http://10.0.0.1:8765"], cpus: 2, engines: [1, 4]}

The secret is not for such files: TOWNHALL_GPT2_ROUTER_SECRET is set where ``ray start`` is called.
"""

# Without postponed annotations: Serve looks at the type of a builder's argument to know that it is no dict.

import re
from importlib.metadata import version
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from plugins.gpt2.ray_host.by_the_line import ByTheLine
from plugins.gpt2.ray_host.replica import Replica
from plugins.gpt2.settings import router_addresses

PREFIX = "townhall-"
SPARE_S = 15.0
"""Seconds that Serve waits for an engine beyond its time to leave, before it is killed."""


class Pool(BaseModel):
    """Engines with one model. ``engines`` are the fewest and the most; ``cpus`` and ``gpus`` what one takes."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1)
    routers: tuple[str, ...] = Field(min_length=1)
    engines: tuple[Annotated[int, Field(ge=1, le=1000)], Annotated[int, Field(ge=1, le=1000)]] = (1, 1)
    cpus: float = Field(default=2, gt=0, le=512)
    gpus: float = Field(default=0, ge=0, le=64)
    rows: int = Field(default=8, ge=1, le=32)
    surge: bool = False
    """Whether there is room for one engine more while new ones take the place of old."""
    drain_s: float = Field(default=60, ge=0, le=3600)
    given: dict[str, str] = Field(default_factory=dict)
    """Settings by name (``TOWNHALL_GPT2_…``) that hold on every machine."""

    @field_validator("routers")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return router_addresses(value)

    @field_validator("engines")
    @classmethod
    def _in_order(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise ValueError(f"{value[0]} at least and {value[1]} at most: the first is the larger one")
        return value

    @property
    def name(self) -> str:
        """The application's name in Serve."""
        return application_name(self.model)


def application_name(model: str) -> str:
    """Return what Serve calls the pool of a model."""
    return PREFIX + (re.sub(r"[^a-zA-Z0-9_.-]+", "-", model).strip("-.") or "model")


def pool(args: Pool) -> Application:
    """Return the application of a pool."""
    return application(args, Replica)


def application(pool: Pool, replica: type[Replica]) -> Application:
    """Return the application of a pool whose engines are of this class."""
    least, most = pool.engines
    settings = {"TOWNHALL_GPT2_THREADS": str(max(1, int(pool.cpus)))} | pool.given
    options: dict[str, Any] = {
        "name": "Engine",
        "ray_actor_options": {"num_cpus": pool.cpus, "num_gpus": pool.gpus},
        "max_ongoing_requests": 1000,  # nothing comes through Serve; its own default would be a limit in its books
        "graceful_shutdown_timeout_s": pool.drain_s + SPARE_S,
        "graceful_shutdown_wait_loop_s": 0.1,
        "health_check_period_s": 2,
        "health_check_timeout_s": 10,
        "max_surge_percent": -(-100 // least) if pool.surge else 0,
    }
    if least == most:
        options["num_replicas"] = least
    else:
        policy = AutoscalingPolicy(
            policy_function=ByTheLine,
            policy_kwargs={"routers": list(pool.routers), "model": pool.model, "rows": pool.rows},
        )
        options["autoscaling_config"] = AutoscalingConfig(
            min_replicas=least,
            max_replicas=most,
            initial_replicas=least,
            upscale_delay_s=2,
            downscale_delay_s=300,
            metrics_interval_s=1,
            look_back_period_s=2,
            policy=policy,
        )
    deployment = serve.deployment(**options)(replica)
    return deployment.bind(pool.model, pool.routers, settings, drain_s=pool.drain_s, release=version("townhall-bot"))
