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


def test_the_tables_of_the_front_page_are_the_results():
    page = (ROOT / "README.md").read_text("utf-8")
    assert tables.with_front_page_tables(page) == page


def test_every_table_has_its_place_on_its_page():
    for path, made in (
        (tables.README, tables.TABLES),
        (tables.SURGERY, tables.SURGERY_TABLES),
        (tables.FRONT_PAGE, tables.FRONT_PAGE_TABLES),
    ):
        page = path.read_text("utf-8")
        assert all(page.count(tables.BEGIN.format(name)) == 1 for name in made)


def test_every_kept_result_has_its_table():
    kept = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    assert kept <= {*tables.TABLES, *tables.SURGERY_TABLES}


def test_the_first_design_resampled_is_what_a_study_does():
    results = ROOT / "benchmarks" / "results" / "resampling.json"
    first = json.loads(results.read_text("utf-8"))[0]
    design = (first["rate_by"], first["pairs"], first["tuning_seeds"])
    assert design == ("loss", GAP_SEEDS, REDUCED_TUNING_SEEDS)
