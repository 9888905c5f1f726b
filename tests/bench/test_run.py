"""A bench tells how far it is, and keeps what it has measured when it is stopped."""

from __future__ import annotations

import json

import pytest
import torch

from normkit.bench import Bench, Settings, run
from normkit.bench.cases import Case
from normkit.bench.document import Document, Row

SETTINGS = Settings(methods=("rms",), shapes=((4, 3, 3),), batch=2, rounds=1, threads=1)


def test_events_count_the_cases() -> None:
    events = list(Bench(SETTINGS).run())
    assert [(event.kind, event.done, event.total) for event in events] == [
        ("plan", 0, 2),
        ("case", 1, 2),
        ("case", 2, 2),
    ]
    assert events[0].seconds_left > 0
    assert events[-1].seconds_left == 0
    assert [event.case for event in events] == [None, *SETTINGS.cases()]


def test_the_document_survives_a_file(document: Document) -> None:
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_document_tells_where_and_what(document: Document) -> None:
    assert document["complete"]
    assert document["torch"] == torch.__version__
    assert document["machine"]["threads"] == 1
    assert (document["batch"], document["rounds"], document["act"]) == (3, 2, "relu")
    assert len(document["summary"]) == 2 * 2 * 2
    for row in document["rows"]:
        assert row["q25"] <= row["median"] <= row["q75"]
        assert (row["error"] is None) == (row["contestant"] == "floor")


def test_the_threads_are_set_while_it_measures_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    seen: list[int] = []

    def measure(*_: object) -> list[Row]:
        seen.append(torch.get_num_threads())
        return []

    monkeypatch.setattr(run, "measure", measure)
    settings = Settings(methods=("rms",), shapes=((4, 3, 3),), batch=2, threads=before + 1)
    for _ in Bench(settings).run():
        assert torch.get_num_threads() == before
    assert seen == [before + 1] * 2


def test_what_was_measured_before_a_stop_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = run.measure

    def measure(case: Case, *others: object) -> list[Row]:
        if case.layout == "channels_last":
            raise KeyboardInterrupt
        return measured(case, *others)

    monkeypatch.setattr(run, "measure", measure)
    bench = Bench(SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        list(bench.run())
    document = bench.document()
    assert not document["complete"]
    assert {row["layout"] for row in document["rows"]} == {"contiguous"}
    assert len(document["summary"]) == 1
