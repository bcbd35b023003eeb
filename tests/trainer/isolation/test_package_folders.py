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


def test_folders_that_python_would_not_search_by_itself_are_added_and_no_others(user_site, tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "numpy").mkdir(parents=True)  # of whatever it holds
    monkeypatch.chdir(project)
    own = [sysconfig.get_path("stdlib"), *site.getsitepackages()]
    monkeypatch.setattr(sys, "path", ["", str(project), *own, str(user_site), str(user_site)])
    assert package_folders.added_folders() == [user_site]
    assert project not in package_folders.folders()
    assert project not in furniture(gpu=False)
    assert user_site in furniture(gpu=False)


@pytest.mark.parametrize("first", [True, False], ids=["before our own", "behind our own"])
def test_the_isolated_process_searches_them_in_the_order_of_this_one(user_site, monkeypatch, first):
    own = sysconfig.get_path("purelib")
    monkeypatch.setattr(sys, "path", [str(user_site), own] if first else [own, str(user_site)])
    told = clean_environment()["PYTHONPATH"].split(os.pathsep)
    assert (told.index(str(user_site)) < told.index(own)) == first


def test_the_path_of_an_ordinary_installation_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "path", [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")])
    assert clean_environment()["PYTHONPATH"] == str(Path(lemonade_es.__file__).absolute().parents[1])


@pytest.mark.slow
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
