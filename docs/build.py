"""Rebuild what the documentation takes from the code and from a study.

That is the catalogue's table, a page for each method, the tables of the contract, the README's
table of verdicts, and the picture of the report.

    python docs/build.py [STUDY_FOLDER] [--whitening STUDY_FOLDER]

With a study's folder its results become the sample in docs/sample first; so do those of the study
of whitening that docs/catalogue.md shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from normkit import report
from normkit.nn.catalogue import catalogue
from normkit.nn.catalogue import table as catalogue_table

sys.path.insert(0, str(Path(__file__).parent))
import method_pages

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "docs" / "sample" / "results.json"
PICTURE = ROOT / "docs" / "images" / "report.png"
WHITENING = ROOT / "docs" / "sample" / "whitening.json"
CORRELATIONS = [
    ROOT / "docs" / "images" / f"decorrelation-{name}.png" for name in ("depth", "change")
]
CATALOGUE = ROOT / "docs" / "catalogue.md"
CONTRACT = ROOT / "docs" / "contract.md"
METHODS = ROOT / "docs" / "methods"
README = ROOT / "README.md"
BEGIN = "<!-- made by docs/build.py from docs/sample/results.json -->\n"
END = "<!-- end -->\n"
WIDTH = 110


def table(results: dict[str, Any]) -> str:
    """What the README shows: the text that a study ends with, all but its first sentence folded."""
    title, sentence, rest = report.text(results, width=WIDTH).strip().split("\n\n", 2)
    return (
        f"```\n{title}\n\n{sentence}\n```\n\n"
        "<details><summary>Every verdict, what each norm gives and costs, and the advice</summary>"
        f"\n\n```\n{rest}\n```\n\n</details>\n"
    )


def with_table(readme: str, results: dict[str, Any]) -> str:
    """The README, its table rebuilt."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END, 1)
    return before + BEGIN + table(results) + END + after


def with_made(page: str, name: str, made: str) -> str:
    """A page, the part between the marks of that name rebuilt."""
    begin = f"<!-- {name}, made by docs/build.py -->\n"
    before, rest = page.split(begin)
    _, after = rest.split(END, 1)
    return before + begin + made + END + after


def with_catalogue(page: str) -> str:
    """The page of the catalogue, its table rebuilt."""
    return with_made(page, "catalogue", catalogue_table())


def with_tables(page: str) -> str:
    """The page of the contract, its tables rebuilt."""
    page = with_made(page, "items", method_pages.item_table())
    return with_made(page, "methods", method_pages.contract_table())


def method_files() -> dict[Path, str]:
    """The page of each method, by its file."""
    return {
        METHODS / f"{name}.md": method_pages.page(method) for name, method in catalogue().items()
    }


def write_pages() -> None:
    """Rebuild what comes from the code."""
    CATALOGUE.write_text(with_catalogue(CATALOGUE.read_text("utf-8")), "utf-8")
    CONTRACT.write_text(with_tables(CONTRACT.read_text("utf-8")), "utf-8")
    METHODS.mkdir(exist_ok=True)
    pages = method_files()
    for old in set(METHODS.glob("*.md")) - set(pages):
        old.unlink()
    for path, text in pages.items():
        path.write_text(text, "utf-8")


def take_picture(results: dict[str, Any], path: Path, part: str | None = None) -> None:
    """The first screen of the report, as Chromium shows it, or a part of the page."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = report.write(results, Path(folder), "both")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1180, "height": 1000}, device_scale_factor=1.5)
        page.goto(page_file.as_uri())
        path.parent.mkdir(exist_ok=True)
        if part is None:
            page.screenshot(path=path)
        else:
            page.locator(part).screenshot(path=path)
        browser.close()


def take_correlations(results: dict[str, Any]) -> None:
    """The two figures of the claim about correlations."""
    for place, path in enumerate(CORRELATIONS):
        take_picture(results, path, f"#claim-decorrelation figure >> nth={place}")


def loaded(sample: Path, study: Path | None) -> dict[str, Any]:
    """A sample's results, first replaced by those of a study where there is one."""
    if study is not None:
        sample.parent.mkdir(exist_ok=True)
        shutil.copy(study / "results.json", sample)
    results: dict[str, Any] = json.loads(sample.read_text("utf-8"))
    return results


def main() -> None:
    """Rebuild the tables and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="?", type=Path, help="a study's folder, the next sample")
    parser.add_argument("--whitening", type=Path, help="the same, of the methods that whiten")
    given = parser.parse_args()
    write_pages()
    results = loaded(SAMPLE, given.study)
    README.write_text(with_table(README.read_text("utf-8"), results), "utf-8")
    take_picture(results, PICTURE)
    take_correlations(loaded(WHITENING, given.whitening))


if __name__ == "__main__":
    main()
