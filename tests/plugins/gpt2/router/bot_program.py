"""A bot's side of a router as a program of its own, to be killed: ``python -m … URL SECRET TEXTS``."""

from __future__ import annotations

import asyncio
import sys

from plugins.gpt2.remote.generator import RemoteTextGenerator
from tests.plugins.gpt2.fake_model import request


async def main(url: str, secret: str, texts: int) -> None:
    bot = RemoteTextGenerator([url], secret)
    await bot.start()

    async def listen(user: int) -> None:
        async for _event in bot.generate(request("Hello", count=12, user=user)):
            pass

    await asyncio.gather(*(listen(user) for user in range(texts)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
