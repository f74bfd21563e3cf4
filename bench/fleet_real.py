"""A model behind a router next to the same in this process: a part of :mod:`bench.fleet`."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from statistics import median

from bench.fleet_house import House, program
from plugins.gpt2.model.constants import EMBEDDED_MODEL
from plugins.gpt2.protocol import Finished, GenerationRequest, SamplingParams, TextGenerator
from plugins.gpt2.remote.generator import RemoteTextGenerator
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.settings import load_settings

STREAMS, TOKENS, TURNS = 8, 200, 5


async def tokens_a_second(generator: TextGenerator, model: str) -> float:
    """Return the rate of 8 texts that are written at once, of 200 tokens each."""
    loop = asyncio.get_running_loop()

    async def one(user: int) -> int:
        sampling = SamplingParams(temperature=0, repetition_penalty=1.0)
        request = GenerationRequest(f"{user} My fellow citizens", TOKENS, model, sampling, user, user)
        async for event in generator.generate(request):
            if isinstance(event, Finished):
                return event.timing.new_tokens
        return 0

    began = loop.time()
    written = await asyncio.gather(*(one(user) for user in range(1, STREAMS + 1)))
    return sum(written) / (loop.time() - began)


async def beside_local(model: str = EMBEDDED_MODEL) -> dict[str, float]:
    """Return tokens a second locally and behind a router, in turns, and their ratio; ``model`` may be a folder."""
    os.environ["TOWNHALL_GPT2_MODEL"] = model  # the router's and the engine's, too
    settings = load_settings(GPT2Settings, env_file=None)
    local = GPT2Service(settings, catalog=ModelCatalog(settings))
    rates: tuple[list[float], list[float]] = ([], [])
    async with AsyncExitStack() as ending:
        house = await ending.enter_async_context(House(routers=1))
        house.engines.append(program("townhall_bot", "engine", "--router", house.urls[0]))
        remote = RemoteTextGenerator(house.urls, None)
        both: tuple[TextGenerator, TextGenerator] = (local, remote)
        for generator in both:
            await generator.start()
            ending.push_async_callback(generator.close)
        await house.until_engines(1)
        for generator in both:
            await generator.ensure_model(model)
            await tokens_a_second(generator, model)  # warms up
        for _ in range(TURNS):
            for generator, found in zip(both, rates, strict=True):
                found.append(await tokens_a_second(generator, model))
    here, there = (median(found) for found in rates)
    return {"local_tok_s": round(here), "remote_tok_s": round(there), "ratio": round(there / here, 2)}
