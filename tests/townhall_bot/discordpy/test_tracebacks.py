"""A network that fails is a line in the log; a mistake of ours keeps its traceback."""

import logging

import aiohttp
import pytest

from townhall_bot.discordpy import tracebacks

client = logging.getLogger("discord.client")


@pytest.mark.parametrize(
    "error",
    [aiohttp.ClientConnectionError("refused 100%"), TimeoutError(), OSError(101, "down")],
)
def test_a_gateway_out_of_reach_is_a_line(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    tracebacks.shorten()
    tracebacks.shorten()
    try:
        raise error
    except Exception:
        client.exception("Attempting a reconnect in %.2fs", 4.2)
    [record] = caplog.records
    assert record.getMessage().startswith("the gateway cannot be reached, again in 4 s: ")
    assert record.getMessage().count("again in") == 1
    assert record.levelno == logging.WARNING
    assert record.exc_info is None


def test_a_surprise_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    tracebacks.shorten()
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        client.exception("Attempting a reconnect in %.2fs", 4.2)
        client.exception("Something else, of %s", "another kind")
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
