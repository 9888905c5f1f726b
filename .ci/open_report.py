"""Open a study's report in headless Chromium, at desktop and phone width, in both languages.

    python .ci/open_report.py STUDY_FOLDER

Fails where a table or figure is missing, a script complains, or the page is wider than its window.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main(folder: Path) -> None:
    """Open every language at every width."""
    results = json.loads((folder / "results.json").read_text("utf-8"))
    figures = sum(len(claim["figures"]) for claim in results["claims"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        for name in ("report.html", "report.zh.html"):
            for width in (1280, 375):
                page = browser.new_page(viewport={"width": width, "height": 900})
                complaints: list[str] = []
                page.on("console", lambda m, c=complaints: c.append(m.text))
                page.on("pageerror", lambda e, c=complaints: c.append(str(e)))
                page.goto((folder / name).resolve().as_uri())
                drawn = page.locator("figure svg").count()
                tables = page.locator("table").count()
                overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                print(f"{name} at {width}: {tables} tables, {drawn} drawings, overflow {overflow}")
                if complaints or drawn < figures or tables < 2 or overflow > 0:
                    sys.exit(f"{name} at {width} px: {complaints or 'something is missing'}")
                page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
