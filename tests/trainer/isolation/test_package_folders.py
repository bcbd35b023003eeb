"""An isolated process finds the packages wherever this one has them, and nothing else of the user's folders."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import lemonade_es
from lemonade_es.trainer.isolation import package_folders
from lemonade_es.trainer.isolation.housing import clean_environment, furniture


@pytest.fixture
def user_site(tmp_path):
    folder = tmp_path / "home" / ".local" / "lib" / "python3" / "site-packages"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def target(tmp_path):
    """What ``pip install --target`` makes."""
    folder = tmp_path / "target"
    (folder / "torch").mkdir(parents=True)
    return folder


def test_folders_that_python_would_not_search_by_itself_are_added_in_their_order(
    user_site, target, tmp_path, monkeypatch
):
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    own = [sysconfig.get_path("stdlib"), *site.getsitepackages()]
    monkeypatch.setattr(sys, "path", ["", str(project), str(target), *own, str(user_site), str(target)])
    assert package_folders.added_folders() == [target, user_site]
    assert package_folders.folders() >= {target, user_site, Path(sysconfig.get_path("purelib"))}
    assert project not in package_folders.folders()


def test_the_isolated_process_is_told_of_them_and_sees_them(user_site, target, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(target), *sys.path, str(user_site)])
    told = clean_environment()["PYTHONPATH"].split(os.pathsep)
    assert told[:1] == [str(target)]
    assert str(user_site) in told
    assert {target, user_site} <= set(furniture(gpu=False))


@pytest.mark.isolation
def test_an_installation_beside_pythons_own_packages_is_isolated_as_well_as_any():
    packages, package = sysconfig.get_path("purelib"), Path(lemonade_es.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), packages])}
    ask = "from lemonade_es.cli import main; main(['doctor', '--json'])"

    def levels(python: str) -> dict[str, bool]:
        done = subprocess.run(
            [python, "-s", "-c", ask], env=environment, capture_output=True, text=True, check=True, cwd="/"
        )
        return {each["level"]: each["available"] for each in json.loads(done.stdout)["isolation"]["levels"]}

    bare = getattr(sys, "_base_executable", sys.executable)
    assert levels(bare) == levels(sys.executable)
