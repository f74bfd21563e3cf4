"""The tables of docs/reliability.md that say what Discord can answer, read as cases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.faults.fault import Fault

DOCUMENT = Path(__file__).parents[3] / "docs" / "reliability.md"
CHAPTER = "What Discord can answer, and what people see then"
PAGE = "<!doctype html><html><head><title>Access denied</title></head><body>" + "<p>error code: 1015</p>" * 400
FOR_A_MOMENT_S, AN_HOUR_S = 0.001, 3600.0
MANY = 5
"""So many attempts are one after the other; fewer are the request and what is said about its failure."""
_QUOTED = re.compile(r"“([^”]*)”")


@dataclass(frozen=True)
class Answer:
    """What Discord answers: a status (0 where the connection is cut), a code of its own, a page, a limit that lasts."""

    status: int
    code: int = 0
    page: bool = False
    long: bool = False

    @classmethod
    def read(cls, text: str) -> Answer:
        """Return what a cell's item says: ``404 10008``, ``429 long``, ``403 page``, ``cut``."""
        if text == "cut":
            return cls(0)
        status, *rest = text.split()
        code = next((int(word) for word in rest if word.isdecimal()), 0)
        return cls(int(status), code, page="page" in rest, long="long" in rest)

    def __str__(self) -> str:
        words = [str(self.status or "cut"), str(self.code or ""), "page" * self.page, "long" * self.long]
        return " ".join(word for word in words if word)

    def befall(self, server: LoopbackDiscord, method: str, path: str, *, always: bool) -> Fault:
        """Let it happen to the next request of a route, or to all that follow."""
        times = 10_000 if always else 1
        if self.status == 0:
            return server.faults.cut(method, path, times=times)
        return server.faults.answer(
            method,
            path,
            self.status,
            times=times,
            retry_after=AN_HOUR_S if self.long else FOR_A_MOMENT_S,
            body=PAGE if self.page else None,
            code=self.code,
        )


@dataclass(frozen=True)
class Row:
    """One line of a table, by the heads of its columns."""

    answers: tuple[Answer, ...]
    cells: dict[str, str]

    @property
    def always(self) -> bool:
        """Whether it goes on and on."""
        return self.cells.get("how often") == "always"

    @property
    def again(self) -> bool:
        """Whether the bot makes another attempt."""
        return self.cells["again"] == "yes"

    def quoted(self, column: str) -> list[str]:
        """Return what stands in quotes in a column."""
        return _QUOTED.findall(self.cells[column])


@dataclass(frozen=True)
class Case:
    """One answer of one row, for a test of its own."""

    row: Row
    answer: Answer

    def __str__(self) -> str:
        return f"{self.answer} {self.row.cells.get('how often', '')}".strip()


def rows(heading: str) -> list[Row]:
    """Return the lines of the table below a heading. Raises ValueError where the document has no such heading."""
    chapter = DOCUMENT.read_text(encoding="utf-8").split(f"## {CHAPTER}\n", 1)[1].split("\n## ", 1)[0]
    _, found, section = chapter.partition(f"### {heading}\n")
    if not found:
        raise ValueError(f"{DOCUMENT} has no heading {heading!r} in “{CHAPTER}”")
    table = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in section.split("\n### ", 1)[0].splitlines()
        if line.startswith("|")
    ]
    head, _, *lines = table
    return [
        Row(tuple(map(Answer.read, line[0].split(", "))), dict(zip(head[1:], line[1:], strict=True))) for line in lines
    ]


def cases(heading: str) -> list[Case]:
    """Return each answer of each row below a heading."""
    return [Case(row, answer) for row in rows(heading) for answer in row.answers]


def headings() -> list[str]:
    """Return the headings of the chapter."""
    chapter = DOCUMENT.read_text(encoding="utf-8").split(f"## {CHAPTER}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^### (.*)$", chapter, re.MULTILINE)
