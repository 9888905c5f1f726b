"""Finished studies side by side, and what can be made of the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from normkit.report.comparison.schema import Comparison
    from normkit.study.result import StudyResult


@dataclass(frozen=True)
class StudyComparison:
    """What differs between studies, and whether their verdicts agree; described, not judged.

    Attributes:
        document: the comparison, as plain JSON values (`report/comparison/schema.py`).
    """

    document: Comparison

    @classmethod
    def of(cls, results: Sequence[StudyResult]) -> StudyComparison:
        """Compare studies, named by their folders.

        Raises:
            ComparisonError: there are fewer than two, or one came twice.
            ResultsError: the results of one are not whole.
        """
        from normkit.report import comparison

        names = comparison.distinct_names([result.folder for result in results])
        documents = [result.document for result in results]
        return cls(comparison.compare(dict(zip(names, documents, strict=True))))

    def to_rows(self) -> list[dict[str, Any]]:
        """One flat row per verdict and study: for a data frame or a CSV file."""
        from normkit.report.comparison.export import verdict_rows

        return list(verdict_rows(self.document))

    def text(self, lang: Literal["en", "zh"] = "en") -> str:
        """The whole comparison as plain text, as wide as the terminal."""
        from normkit.report import comparison

        return comparison.text(self.document, lang)

    def report(
        self, folder: Path | str | None = None, lang: Literal["en", "zh", "both"] = "both"
    ) -> Path:
        """Write the comparison as a page, as JSON and as CSV.

        Args:
            folder: where to; the current folder unless given.
            lang: "en", "zh", or "both".

        Returns:
            The path of the HTML file.
        """
        from normkit.report import comparison

        return comparison.write(self.document, Path(folder or "."), lang)
