from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest

from imagegen_cli.batch.entry import Entry
from imagegen_cli.batch.folder import Folder
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure


def entry(line: int, key: str, **changes: object) -> Entry:
    return Entry.model_validate({"line": line, "idempotency_key": key, "status": "succeeded"} | changes)


def failed(line: int, key: str, retryable: bool) -> Entry:
    error = {"code": "overloaded", "detail": "busy"}
    return entry(line, key, status="failed", error=error, retryable=retryable)


def rows(path: Path) -> list[str]:
    return [json.loads(row)["idempotency_key"] for row in (path / "results.jsonl").read_text().splitlines()]


def test_a_missing_folder_is_created_and_keeps_its_id(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with Folder(path) as first:
        assert (path / "results.jsonl").read_bytes() == b""
    with Folder(path) as second:
        assert second.batch_id == first.batch_id
    with Folder(tmp_path / "c") as other:
        assert other.batch_id != first.batch_id


@pytest.mark.parametrize("left", [b"", b"0a1b"])
def test_an_id_that_was_not_written_completely_is_drawn_again(tmp_path: Path, left: bytes) -> None:
    (tmp_path / ".imagegen-batch").write_bytes(left)
    with Folder(tmp_path) as folder:
        assert len(folder.batch_id) == 32
    assert (tmp_path / ".imagegen-batch").read_text() == f"{folder.batch_id}\n"


def test_results_without_the_id_of_their_batch_are_refused_before_they_are_paid_again(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.add(entry(1, "a"))
    (tmp_path / ".imagegen-batch").unlink()  # as a copy of `scenes/*` has it
    for _ in range(2):
        with pytest.raises(Failure, match=r"\.imagegen-batch does not have the batch's id"), Folder(tmp_path):
            pass
    (tmp_path / ".imagegen-batch").write_text(folder.batch_id)
    with Folder(tmp_path) as again:
        assert (again.batch_id, list(again.entries)) == (folder.batch_id, ["a"])


def test_entries_are_there_for_the_next_run(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.add(entry(1, "a", files=["00001-7.png"]))
        folder.add(failed(2, "b", retryable=False))
    with Folder(tmp_path) as folder:
        assert list(folder.entries) == ["a", "b"]
        assert folder.owners == {"00001-7.png": "a"}


def test_a_line_that_is_repeated_has_no_entry_until_then(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        for each in (entry(1, "a"), failed(2, "b", True), failed(3, "c", True), entry(3, "c")):
            folder.add(each)
        assert rows(tmp_path) == ["a", "b", "c", "c"]
    with Folder(tmp_path) as folder:
        assert list(folder.entries) == ["a", "c"]
        assert rows(tmp_path) == ["a", "c"]


@pytest.mark.parametrize("length", [1, 20, 100])
def test_a_torn_last_line_is_dropped(tmp_path: Path, length: int) -> None:
    with Folder(tmp_path) as folder:
        folder.add(entry(1, "a"))
        folder.add(entry(2, "b"))
    whole = (tmp_path / "results.jsonl").read_bytes()
    (tmp_path / "results.jsonl").write_bytes(whole[:-length] if length > 1 else whole + b"{")
    with Folder(tmp_path) as folder:
        folder.add(entry(3, "c"))
    assert rows(tmp_path) == (["a", "b", "c"] if length == 1 else ["a", "c"])


def test_a_last_line_without_a_line_break_is_kept(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.add(entry(1, "a"))
    (tmp_path / "results.jsonl").write_bytes((tmp_path / "results.jsonl").read_bytes().rstrip())
    with Folder(tmp_path) as folder:
        folder.add(entry(2, "b"))
    assert rows(tmp_path) == ["a", "b"]


def test_a_line_that_is_no_entry_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("my notes\n")
    with pytest.raises(Failure, match="line 1, is not an entry"), Folder(tmp_path):
        pass
    assert (tmp_path / "results.jsonl").read_text() == "my notes\n"


def test_one_command_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    with Folder(tmp_path), pytest.raises(Failure, match="Another imagegen batch"), Folder(tmp_path):
        pass
    with Folder(tmp_path):
        pass


def test_drafts_of_killed_processes_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    others = [".hidden.png.7", "00001-7.png", ".00001-7.png", "a.png"]
    for name in [".00001-7.png.4711", ".00012-9-0a1b2c3d.webp.1", ".results.jsonl.17", *others]:
        (tmp_path / name).touch()
    with Folder(tmp_path):
        left = {path.name for path in tmp_path.iterdir()} - {"results.jsonl", ".imagegen-batch"}
    assert left == set(others)


def test_a_folder_that_cannot_be_made_is_a_failure_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match="cannot be written") as raised, Folder(tmp_path / "file"):
        pass
    assert raised.value.exit_code is ExitCode.FILE


def test_a_disk_that_fails_does_not_hide_why_the_batch_stopped(tmp_path: Path) -> None:
    def stop(folder: Folder) -> None:
        shutil.rmtree(folder.path)
        folder.path.touch()  # no folder, so that its drafts cannot be listed
        raise Failure(ExitCode.INTERRUPTED, "Interrupted.")

    with pytest.raises(Failure, match="Interrupted"), Folder(tmp_path / "out") as folder:
        stop(folder)


def test_an_entry_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.add(entry(1, "a"))
        before = (tmp_path / "results.jsonl").read_bytes()

        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
        try:
            with pytest.raises(Failure) as raised:
                folder.add(entry(2, "b"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert raised.value.exit_code is ExitCode.FILE
        assert (tmp_path / "results.jsonl").read_bytes() == before
        assert list(folder.entries) == ["a"]
