"""Where the log goes: one handler on standard error, set up once by the command line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from townhall_bot.ops import request_ids
from townhall_bot.ops.repetition import Repetition
from townhall_bot.redaction import without_secrets

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
LogFormat = Literal["text", "json"]


def set_up(level: str, plugins: str | None = None, style: LogFormat = "text") -> None:
    """Log Townhall at ``level``, its plugins' own messages at ``plugins`` if given, and the libraries' warnings.

    The libraries' own DEBUG is never on: discord.py's prints every payload, prompts among them.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    handler.addFilter(Repetition())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger("townhall").setLevel(level)
    logging.getLogger("townhall.plugin").setLevel(plugins or level)


class TextFormatter(logging.Formatter):
    """A line for a person, with the request it belongs to. No token or password is in it, whoever logged it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback where there is one."""
        return without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without a traceback."""
        request = request_ids.current.get()
        line = super().formatMessage(record)
        return line if request is None else f"{line} [request {request}]"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``at`` (UTC), ``level``, ``logger``, ``message``; ``request``, ``exception`` if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, str] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = request_ids.current.get()
        if request is not None:
            line["request"] = request
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({key: without_secrets(text) for key, text in line.items()}, ensure_ascii=False)
