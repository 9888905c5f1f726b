"""A bench: its cases one after another, and what was measured so far."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from normkit.bench import floor
from normkit.bench.cases import Case, Settings
from normkit.bench.contestants import AUTOTUNED, COMPILED, contestants
from normkit.bench.document import Document, Row, this_machine, versions
from normkit.bench.events import Event
from normkit.bench.measure import WARM_UP, measure
from normkit.bench.summary import over_normkit, summary
from normkit.bench.timing import Spread, in_turns, threads

_TRIED_VALUES = 2**20
_TRIED_ROUNDS = 5
_TIMES_FLOOR = 2.5
"""How a path compares with the floor, before anything is known."""
_CHECK = 150
"""What float64 and its derivatives cost, in copies of a map."""
_SETTING_UP = 0.05
"""Seconds that every case needs, however small it is."""
_COMPILING = 20.0
"""Seconds that the compiler needs for one case, before anything is known."""


class Bench:
    """Times what is asked for.

    Args:
        settings: what that is.

    >>> few = Settings(methods=("rms",), shapes=((4, 3, 3),), batch=2, rounds=1)
    >>> bench = Bench(few)
    >>> [(event.kind, event.done) for event in bench.run()]
    [('plan', 0), ('case', 1), ('case', 2)]
    >>> [row["contestant"] for row in bench.document()["rows"][:4]]
    ['floor', 'eager', 'eager_in_place', 'normkit']
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._cases = settings.cases()
        self._rows: list[Row] = []
        self._done = 0
        self._seconds = 0.0
        self._threads = settings.threads or torch.get_num_threads()

    def run(self) -> Iterator[Event]:
        """Measure case after case.

        Whoever stops listening, or is stopped, loses the case at hand alone.
        """
        total = len(self._cases)
        guessed = [0.0] * total
        started = time.perf_counter()
        for index, case in enumerate(self._cases):
            # Threads are set for as long as something is measured: the caller has its own between.
            with threads(self.settings.threads):
                if not index:
                    guessed = self._guesses()
            if not index:
                yield Event("plan", 0, total, sum(guessed))
            with threads(self.settings.threads):
                paths = contestants(case, self.settings.compiled)
                rows = measure(case, paths, self.settings.rounds)
            self._rows += rows
            self._done += 1
            self._seconds = time.perf_counter() - started
            # What is left takes as long for what was guessed as what is done.
            pace = self._seconds / sum(guessed[: index + 1])
            yield Event("case", index + 1, total, pace * sum(guessed[index + 1 :]), case)

    def _guesses(self) -> list[float]:
        """Seconds that each case may take, from the pace of a copy."""
        x, device = torch.ones(_TRIED_VALUES, device=self.settings.device), self.settings.device
        steps = {"copy": lambda: floor.new_output(x).copy_(x)}
        taken = in_turns(steps, _TRIED_ROUNDS, WARM_UP, device)["copy"]
        median = Spread.of([each.seconds for each in taken]).median
        return [self._guess(case, median / x.nbytes) for case in self._cases]

    def _guess(self, case: Case, per_byte: float) -> float:
        paths = contestants(case, self.settings.compiled)
        steps = (self.settings.rounds + WARM_UP) * len(paths)
        copies = steps * _TIMES_FLOOR * floor.passes(case) / 2 + _CHECK
        compiled = sum(path in (COMPILED, AUTOTUNED) for path in paths)
        fixed = _SETTING_UP + _COMPILING * compiled
        return copies * case.bytes * per_byte + fixed

    def document(self) -> Document:
        """What was measured so far, as written to a file."""
        normkit, torchs = versions()
        return Document(
            normkit=normkit,
            torch=torchs,
            machine=this_machine(self._threads, self.settings.device),
            batch=self.settings.batch,
            act=self.settings.act,
            rounds=self.settings.rounds,
            compiled=self.settings.compiled,
            complete=self._done == len(self._cases),
            seconds=self._seconds,
            over_normkit=over_normkit(self._rows),
            summary=summary(self._rows),
            rows=list(self._rows),
        )
