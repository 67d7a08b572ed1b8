"""Saving: the old thing or the new one, whatever happens in between."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from mercer.cli.atomic import new_directory, new_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_half(place, name, error):
    with place as fresh:
        (fresh / name).write_text("half")
        raise error


def test_a_directory_takes_the_place_of_the_old_one(tmp_path):
    place = tmp_path / "model [1]"
    for text in ("old", "new"):
        with new_directory(place) as fresh:
            (fresh / "a").write_text(text)
            (fresh / text).mkdir()
    assert names(place) == ["a", "new"]
    assert (place / "a").read_text() == "new"
    assert names(tmp_path) == ["model [1]"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_an_error_leaves_the_old_one_and_nothing_else(tmp_path, error, existing):
    place = tmp_path / "model"
    if existing:
        place.mkdir()
        (place / "a").write_text("old")
    with pytest.raises(type(error)):
        write_half(new_directory(place), "a", error)
    assert names(tmp_path) == (["model"] if existing else [])
    if existing:
        assert (place / "a").read_text() == "old"


def test_an_error_leaves_the_old_file(tmp_path):
    place = tmp_path / "out.csv"
    place.write_text("old")
    with pytest.raises(OSError, match="No space"):
        write_half(new_file(place), "", OSError(errno.ENOSPC, "No space left"))
    assert names(tmp_path) == ["out.csv"]
    assert place.read_text() == "old"


KILLED = """
import sys, time
from pathlib import Path
from mercer.cli.atomic import new_directory
with new_directory(Path(sys.argv[1])) as fresh:
    (fresh / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_the_old_one_and_is_swept_up_after(tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    (place / "a").write_text("old")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(place)], stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"ready"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert names(place) == ["a"]
    with new_directory(place) as fresh:
        (fresh / "b").write_text("new")
    assert names(tmp_path) == ["model"]
    assert names(place) == ["b"]


def test_a_directory_only_moved_aside_is_put_back(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    aside = tmp_path / f".model.replaced-{dead.pid}"
    aside.mkdir()
    (aside / "a").write_text("old")
    with pytest.raises(RuntimeError), new_directory(tmp_path / "model"):
        raise RuntimeError
    assert (tmp_path / "model" / "a").read_text() == "old"


def test_what_a_living_process_is_saving_is_left_alone(tmp_path):
    living = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        other = tmp_path / f".model.saving-{living.pid}"
        other.mkdir()
        with new_directory(tmp_path / "model"):
            time.sleep(0)
        assert other.is_dir()
    finally:
        living.kill()
        living.wait()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError), new_directory(tmp_path / "model"):
            pass
    finally:
        tmp_path.chmod(0o700)
