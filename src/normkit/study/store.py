"""A study's folder: one file per finished trial, written atomically, never trusted blindly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from normkit.files import PARTIAL, write_whole
from normkit.study.record import Record
from normkit.study.spec import TrialSpec, canonical

SCHEMA = 1
STUDY = "study.json"
_LOCK = ".lock"


class StoreError(RuntimeError):
    """The study's folder cannot be used, or not any more; finished trials in it are kept."""


@dataclass
class Store:
    """Reads and writes `study.json` and `trials/*.json` in one folder."""

    folder: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for the length of the block.

        Raises:
            StoreError: another study runs in the folder, or the folder holds something else.
        """
        lock = FileLock(self.folder / _LOCK)
        try:
            self._refuse_foreign()
            self.trials.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout:
            raise StoreError(
                f"one study runs in a folder at a time; another one is running in {self.folder}: "
                "wait for it, or choose another folder with --out"
            ) from None
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"a study needs a folder that it can write to and lock; {self.folder}: "
                f"{getattr(error, 'strerror', None) or error}; choose another with --out"
            ) from error
        try:
            # What a study leaves behind that was killed while it wrote.
            for folder in (self.folder, self.trials):
                for left_over in folder.glob(PARTIAL):
                    left_over.unlink()
            yield
        finally:
            lock.release()

    def _refuse_foreign(self) -> None:
        """A study's files are not to be scattered among others, in a home folder say."""
        if not self.folder.is_dir():
            return
        names = {entry.name for entry in self.folder.iterdir()} - {_LOCK}
        if names and not names & {STUDY, self.trials.name}:
            raise StoreError(
                f"a study needs a folder of its own; {self.folder} holds something else "
                f"({', '.join(sorted(names)[:3])}{', …' if len(names) > 3 else ''}): choose a new "
                "folder with --out"
            )

    @property
    def trials(self) -> Path:
        """Where the trials' files are."""
        return self.folder / "trials"

    def save(self, record: Record, probes: tuple[str, ...]) -> None:
        """Write one trial's file."""
        body = {
            "schema": SCHEMA,
            "spec": record.spec.to_dict(),
            "probed": sorted(probes),
            "status": record.status,
            "curve": record.curve,
            "final": record.final,
            "probes": record.probes,
            **({"unmeasured": record.unmeasured} if record.unmeasured else {}),
        }
        content = {
            **body,
            "digest": _digest(body),
            "times": {"measured": record.times, "digest": _digest(record.times)},
        }
        write(self.trials / f"{record.spec.name}.json", canonical(content))

    def load(self, spec: TrialSpec) -> tuple[Record, frozenset[str]] | None:
        """A stored trial and what it measured; None where there is no file that can be trusted.

        A file that is truncated, edited, or of another trial fails its digest, its name or its
        specification, and counts as absent: the trial is run again.
        """
        try:
            stored = json.loads((self.trials / f"{spec.name}.json").read_text("utf-8"))
            times, digest = stored.pop("times"), stored.pop("digest")
            if digest != _digest(stored) or times["digest"] != _digest(times["measured"]):
                return None
            if stored["schema"] != SCHEMA or stored["spec"] != spec.to_dict():
                return None
            record = Record(
                spec,
                stored["status"],
                stored["curve"],
                stored["final"],
                stored["probes"],
                times["measured"],
                stored.get("unmeasured", {}),
            )
            return record, frozenset(stored["probed"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def write_json(self, name: str, document: Any) -> Path:
        """Write a document of the study into its folder."""
        path = self.folder / name
        write(path, json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False))
        return path

    def read_json(self, name: str) -> Any:
        """A document of the study; None where it is absent or damaged."""
        try:
            return json.loads((self.folder / name).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def write(path: Path, content: str) -> None:
    """Write a file whole or not at all.

    Raises:
        StoreError: the disk is full or the folder cannot be written; what was there is kept.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise StoreError(
            f"could not write {path}: {error.strerror or error}; every finished trial is kept: "
            "make room and run the same command again to go on"
        ) from error
