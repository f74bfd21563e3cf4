from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.report import BEGIN, END, PAGE, fill, main, read_results, report
from tests.bench.measured import BANDWIDTH, COMPARED


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = f"# Title\n{BEGIN}\nold\n{END}\nfoot\n"
    assert fill(page, "new") == f"# Title\n{BEGIN}\n\nnew\n\n{END}\nfoot\n"
    assert fill(fill(page, "new"), "new") == fill(page, "new")


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks its marks"):
        fill("# Title\n", "new")


def test_the_real_page_has_its_marks() -> None:
    assert "new" in fill(PAGE.read_text(encoding="utf-8"), "new")


def test_the_last_line_of_each_file_counts(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("| a table |\n" + json.dumps(BANDWIDTH) + "\n")
    assert read_results([tmp_path / "a.json"]) == [BANDWIDTH]


@pytest.mark.parametrize("content", ["", "| a table |\n", "[]\n", '{"no": "kind"}\n'])
def test_a_file_without_a_result_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.json").write_text(content)
    with pytest.raises(ValueError, match=r"broken\.json"):
        read_results([tmp_path / "broken.json"])


def test_the_report_shows_bars_figures_and_the_share_of_the_bandwidth() -> None:
    text = report([COMPARED, BANDWIDTH], plot=False)
    assert "| gpt2, 1 stream, 8-bit, × llama.cpp Q8_0" in text
    assert "2.00×" in text, "10 ms against 5 ms"
    assert "5.00 (200)" in text
    row = next(line for line in text.splitlines() if line.startswith("| gpt2, townhall-int8"))
    assert [cell.strip() for cell in row.split("|")[-3:-1]] == ["25.0", "83 %"], "125 MB in 5 ms, of 30 GB/s"


def test_a_page_is_filled_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"head\n{BEGIN}\n{END}\n")
    (tmp_path / "gpt2.json").write_text(json.dumps(COMPARED))
    assert main([str(tmp_path / "gpt2.json"), "--page", str(page)]) == 0
    assert "## gpt2 (random weights)" in page.read_text()
    assert "1 results" in capsys.readouterr().out


def test_a_broken_file_leaves_the_page_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"head\n{BEGIN}\n{END}\n")
    (tmp_path / "gpt2.json").write_text("Traceback")
    assert main([str(tmp_path / "gpt2.json"), "--page", str(page)]) == 1
    assert page.read_text() == f"head\n{BEGIN}\n{END}\n"
    assert "gpt2.json" in capsys.readouterr().err
