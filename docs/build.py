"""Rebuild what the documentation takes from the code and from a study.

That is the catalogue's table, a page for each method, the tables of the contract, the README's
table of verdicts, and the picture of the report.

    python docs/build.py [STUDY_FOLDER]

With a study's folder its results become the sample in docs/sample first.
"""

from __future__ import annotations

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
    _, after = rest.split(END)
    return before + BEGIN + table(results) + END + after


def with_catalogue(page: str) -> str:
    """The page of the catalogue, its table rebuilt."""
    kept = [line for line in page.splitlines() if not line.startswith("|")]
    first = next(i for i, line in enumerate(page.splitlines()) if line.startswith("|"))
    return "\n".join([*kept[:first], catalogue_table().rstrip(), *kept[first:]]) + "\n"


def with_tables(page: str) -> str:
    """The page of the contract, its tables rebuilt."""
    for name, made in (
        ("items", method_pages.item_table()),
        ("methods", method_pages.contract_table()),
    ):
        begin = f"<!-- {name}, made by docs/build.py -->\n"
        before, rest = page.split(begin)
        _, after = rest.split(END, 1)
        page = before + begin + made + END + after
    return page


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


def take_picture(results: dict[str, Any], path: Path) -> None:
    """The first screen of the report, as Chromium shows it."""
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
        page.screenshot(path=path)
        browser.close()


def main() -> None:
    """Rebuild the tables and the picture."""
    write_pages()
    if len(sys.argv) > 1:
        SAMPLE.parent.mkdir(exist_ok=True)
        shutil.copy(Path(sys.argv[1]) / "results.json", SAMPLE)
    results = json.loads(SAMPLE.read_text("utf-8"))
    README.write_text(with_table(README.read_text("utf-8"), results), "utf-8")
    take_picture(results, PICTURE)


if __name__ == "__main__":
    main()
