"""A study's folder: what is read back is what was written, and nothing else is believed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from normkit.study.record import Record
from normkit.study.spec import TrialSpec
from normkit.study.store import Store, StoreError, write

Trial = Callable[..., TrialSpec]
PROBES = ("gradients",)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "study")
    with store.locked():
        pass
    return store


@pytest.fixture
def record(trial: Trial) -> Record:
    return Record(
        trial(arms=("none", "batch")),
        "ok",
        [{"step": 0, "train_loss": 2.3}, {"step": 6, "train_loss": None}],
        {"train_loss": 1 / 3, "train_accuracy": 0.1 + 0.2},
        {"gradients": {"start": {"norms": [1e-300, 0.5], "slope": None}}},
        {"training": 1.25, "seconds_per_step": {"none": 0.001}},
        {"lesson": "IndexError: no such channel"},
    )


@pytest.fixture
def file(store: Store, record: Record) -> Path:
    store.save(record, PROBES)
    [file] = store.trials.iterdir()
    return file


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TestATrialsFile:
    def test_gives_back_what_was_saved(self, store: Store, record: Record, file: Path) -> None:
        assert store.load(record.spec) == (record, frozenset(PROBES))

    def test_is_named_by_the_specification(self, record: Record, file: Path) -> None:
        assert file.name == f"{record.spec.name}.json"

    def test_has_the_same_bytes_whenever_it_is_written(
        self, store: Store, record: Record, file: Path
    ) -> None:
        before = file.read_bytes()
        store.save(record, PROBES)
        assert file.read_bytes() == before

    def test_can_be_read_by_others(self, file: Path) -> None:
        mask = os.umask(0)
        os.umask(mask)
        assert file.stat().st_mode & 0o777 == 0o666 & ~mask

    def test_that_does_not_exist_is_none(self, store: Store, record: Record) -> None:
        assert store.load(record.spec) is None

    @pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
    def test_that_is_truncated_is_not_trusted(
        self, store: Store, record: Record, file: Path, share: float
    ) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: int(share * len(content))])
        assert store.load(record.spec) is None

    @pytest.mark.parametrize(
        ("what", "value"),
        [
            ("status", "diverged"),
            ("final", {"train_loss": 0.1}),
            ("probed", ["gradients", "standardise"]),
            ("probes", {}),
            ("curve", []),
            ("times", {"training": 0.1}),
            ("digest", "0" * 64),
        ],
    )
    def test_that_was_edited_is_not_trusted(
        self, store: Store, record: Record, file: Path, what: str, value: object
    ) -> None:
        stored = json.loads(file.read_text())
        assert stored[what] != value
        file.write_text(json.dumps({**stored, what: value}))
        assert store.load(record.spec) is None

    def test_whose_times_were_edited_is_not_trusted(
        self, store: Store, record: Record, file: Path
    ) -> None:
        content = file.read_text()
        assert "1.25" in content
        file.write_text(content.replace("1.25", "0.25"))
        assert store.load(record.spec) is None

    @pytest.mark.parametrize(
        "content",
        [
            b"{}",
            b"[]",
            b"null",
            b"\xff\xfe\x00",
            b'{"times": 1, "digest": 2}',
            b'{"schema": NaN, "times": {}, "digest": ""}',
            b"[" * 100_000,
        ],
    )
    def test_that_is_foreign_is_not_trusted(
        self, store: Store, record: Record, file: Path, content: bytes
    ) -> None:
        file.write_bytes(content)
        assert store.load(record.spec) is None

    def test_of_another_schema_is_not_trusted(
        self, store: Store, record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("normkit.study.store.SCHEMA", 0)
        store.save(record, PROBES)
        assert store.load(record.spec)
        monkeypatch.undo()
        assert store.load(record.spec) is None

    def test_under_the_name_of_another_trial_is_not_trusted(
        self, store: Store, record: Record, file: Path, trial: Trial
    ) -> None:
        other = trial(seed=7)
        file.rename(file.with_name(f"{other.name}.json"))
        assert store.load(other) is None

    def test_that_is_a_folder_is_not_trusted(
        self, store: Store, record: Record, file: Path
    ) -> None:
        file.unlink()
        file.mkdir()
        assert store.load(record.spec) is None


class TestWriting:
    @pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
    def test_that_fails_keeps_the_old_file_and_leaves_no_part(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        path = tmp_path / "results.json"
        write(path, "old")
        monkeypatch.setattr(step, full_disk)
        with pytest.raises(StoreError, match="No space left on device"):
            write(path, "new")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_on_a_full_disk_says_how_to_go_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.fsync", full_disk)
        with pytest.raises(
            StoreError, match="every finished trial is kept: make room and run the same command"
        ):
            write(tmp_path / "results.json", "new")

    def test_that_is_interrupted_leaves_no_part(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("os.fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "results.json", "new")
        assert list(tmp_path.iterdir()) == []

    def test_into_a_folder_that_is_gone_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="No such file or directory"):
            write(tmp_path / "gone" / "results.json", "new")

    def test_refuses_numbers_that_json_does_not_have(self, store: Store) -> None:
        with pytest.raises(ValueError, match="JSON"):
            store.write_json("results.json", {"loss": float("nan")})


class TestADocument:
    def test_gives_back_what_was_written(self, store: Store) -> None:
        document = {"title": "归一化", "values": [1.5, None]}
        path = store.write_json("results.json", document)
        assert store.read_json("results.json") == document
        assert "归一化" in path.read_text("utf-8")

    @pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff", b"[" * 100_000])
    def test_that_is_damaged_counts_as_absent(self, store: Store, content: bytes) -> None:
        (store.folder / "study.json").write_bytes(content)
        assert store.read_json("study.json") is None


class TestTheFolder:
    def test_is_made_where_it_does_not_exist(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "studies" / "digits")
        with store.locked():
            assert store.trials.is_dir()

    def test_holds_one_study_at_a_time(self, store: Store) -> None:
        with (
            store.locked(),
            pytest.raises(StoreError, match="another one is running in"),
            Store(store.folder).locked(),
        ):
            pass

    def test_is_free_again_after_a_study_that_failed(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.locked():
            raise ZeroDivisionError
        with store.locked():
            pass

    def test_that_is_empty_is_taken(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        with store.locked():
            assert store.trials.is_dir()

    @pytest.mark.parametrize("entry", ["study.json", "trials"])
    def test_of_a_study_is_taken_again(self, tmp_path: Path, entry: str) -> None:
        (tmp_path / "notes.txt").touch()
        (tmp_path / entry).mkdir()
        store = Store(tmp_path)
        with store.locked():
            assert store.trials.is_dir()
        assert (tmp_path / "notes.txt").exists()

    def test_that_holds_something_else_is_refused_and_left_as_it_was(self, tmp_path: Path) -> None:
        for name in ("thesis.tex", "photo.png", ".profile", "download.partial"):
            (tmp_path / name).write_text("mine")
        before = sorted(tmp_path.iterdir())
        with (
            pytest.raises(
                StoreError, match=r"folder of its own; .* holds something else \(\.profile, "
            ),
            Store(tmp_path).locked(),
        ):
            pass
        assert sorted(tmp_path.iterdir()) == before

    def test_that_is_a_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("mine")
        with pytest.raises(StoreError, match="choose another with --out"), Store(path).locked():
            pass
        assert path.read_text() == "mine"

    def test_below_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with (
            pytest.raises(StoreError, match="Not a directory; choose another"),
            Store(tmp_path / "file" / "study").locked(),
        ):
            pass

    @pytest.mark.parametrize("call", ["pathlib.Path.mkdir", "filelock.FileLock.acquire"])
    def test_that_cannot_be_written_to_is_refused(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        def refused(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(call, refused)
        with (
            pytest.raises(StoreError, match="Permission denied; choose another"),
            store.locked(),
        ):
            pass

    def test_is_cleared_of_parts_that_a_killed_study_left(self, store: Store) -> None:
        parts = [
            store.folder / "results.json.0123abcd.partial",
            store.folder / "report.html.0123abcd.partial",
            store.trials / "abc.json.0123abcd.partial",
        ]
        for part in parts:
            part.write_text("half a f")
        mine = store.folder / "download.partial"
        mine.write_text("not a study's")
        with store.locked():
            assert not any(part.exists() for part in parts)
        assert mine.exists()
