"""Where scripts/fuzz.sh writes, it deletes nothing but what a former run of it has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.__main__ import clear


def test_what_a_former_run_left_goes(tmp_path: Path) -> None:
    var = tmp_path / "fuzz"
    clear(var)
    (var / "log").mkdir()
    clear(var)
    assert not (var / "log").exists()


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    clear(tmp_path)


def test_what_is_somebodys_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for var in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(SystemExit, match="left alone"):
            clear(var)
    assert (tmp_path / "thesis.tex").exists()
