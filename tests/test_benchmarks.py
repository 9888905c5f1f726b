"""What the page of the benchmarks shows is what their results say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from normkit.study.run import GAP_SEEDS, REDUCED_TUNING_SEEDS

ROOT = Path(__file__).parents[1]

spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)


def test_the_tables_are_the_results():
    page = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    assert tables.with_tables(page) == page


def test_every_kept_result_has_its_table():
    kept = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    assert kept == set(tables.TABLES)


def test_the_first_design_resampled_is_what_a_study_does():
    results = ROOT / "benchmarks" / "results" / "resampling.json"
    first = json.loads(results.read_text("utf-8"))[0]
    design = (first["rate_by"], first["pairs"], first["tuning_seeds"])
    assert design == ("loss", GAP_SEEDS, REDUCED_TUNING_SEEDS)
