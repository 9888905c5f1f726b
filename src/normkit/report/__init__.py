"""A study's results as a page, as text and as data. It reads results and nothing else.

`html` and `text` return strings, `csv_files` the numbers behind each figure, and `write` puts all
of it into a folder. `comparison` has the same for several studies side by side.
"""

from __future__ import annotations

from normkit.report import comparison
from normkit.report.comparison.names import ComparisonError
from normkit.report.export import write
from normkit.report.figure_csv import csv_files
from normkit.report.page import html
from normkit.report.results import ResultsError
from normkit.report.terminal import text

__all__ = ["ComparisonError", "ResultsError", "comparison", "csv_files", "html", "text", "write"]
