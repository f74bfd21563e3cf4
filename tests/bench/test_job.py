from __future__ import annotations

import pytest

from bench.job import Job, Outcome


def test_a_job_survives_its_way_to_the_process() -> None:
    job = Job("/models/some thing", "int8", 2, parts=("decode",), streams=(1, 8), vocabulary=300)
    assert Job.from_json(job.to_json()) == job


def test_an_outcome_is_the_last_line_whatever_was_printed_before() -> None:
    outcome = Outcome("engine 1", 10, 1.0, 2.0, 30, 40, decode_ms={"8": 1.5})
    assert Outcome.from_output(["Loading weights…", outcome.to_json()]) == outcome


def test_a_process_that_said_nothing_gave_no_result() -> None:
    with pytest.raises(ValueError, match="printed nothing"):
        Outcome.from_output([])


def test_a_small_model_is_not_asked_for_more_than_its_context_holds() -> None:
    job = Job("", "int8", 2).within(512)
    assert job.prefills == (16, 256)
    assert job.contexts == (16, 128, 256)
    assert Job("", "int8", 2).within(40).steps + job.prompt < 40
