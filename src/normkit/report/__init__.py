"""A study's results as a page, as text and as data. It reads results and nothing else.

`html` and `text` return strings, `csv_files` the numbers behind each figure, and `write` puts all
of it into a folder.
"""

from __future__ import annotations

from normkit.report.export import write
from normkit.report.figure_csv import csv_files
from normkit.report.page import html
from normkit.report.results import ResultsError
from normkit.report.terminal import text

__all__ = ["ResultsError", "csv_files", "html", "text", "write"]
