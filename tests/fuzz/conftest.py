"""How long to fuzz: a little by default, the same each time; ``FUZZ_EXAMPLES=100000`` for long, new ones each time."""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
settings.register_profile(
    "townhall",
    max_examples=int(EXAMPLES or 100),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,  # the machine may be busy
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
settings.load_profile("townhall")
