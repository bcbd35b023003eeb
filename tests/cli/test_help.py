from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from click.testing import CliRunner

from lemonade_es import __version__
from lemonade_es.cli import main
from lemonade_es.commands.options import WISHES
from lemonade_es.trainer.isolation.level import Wish

COMMANDS = sorted(main.commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained(command):
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    for parameter in main.commands[command].params:
        if parameter.param_type_name == "option":
            assert parameter.help, f"{command} {parameter.name}"


@pytest.mark.parametrize("command", ["export", "finalize", "measure", "run"])
def test_isolation_is_asked_for_alike_wherever_code_is_run(command):
    def told(name):
        options = {option.name: option for option in main.commands[name].params}
        return [options[option].help for option in ("isolation", "container_image", "unsafe_no_isolation")]

    assert told(command) == told("run")


def test_every_level_of_isolation_can_be_asked_for():
    assert get_args(Wish) == WISHES


def test_the_version_is_the_packages():
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


def test_the_package_is_the_command_where_that_is_not_on_the_path():
    asked = [sys.executable, "-m", "lemonade_es", "runs", "--nothing"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Usage: lemonade-es runs" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell):
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_LEMONADE_ES_COMPLETE" in done.output


def test_the_doctor_names_keys_never_shows_them_and_makes_no_folder(lemonade, tmp_path):
    done = lemonade("doctor", OPENAI_API_KEY="sk-8c02-5f1e")
    assert done.code == 0
    assert "OPENAI_API_KEY" in done.out
    assert "isolation" in done.out
    assert "5f1e" not in done.out + done.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_doctor_tells_of_servers_that_the_environment_sends_prompts_to(lemonade):
    redirected = {
        "OPENAI_BASE_URL": "http://me:s3cret-word@gateway.example/v1",
        "ANTHROPIC_BASE_URL": "https://api.anthropic.com/",
        "GOOGLE_GEMINI_BASE_URL": "",
    }
    assert lemonade("doctor", "--json", **redirected).json["servers"] == {
        "OPENAI_BASE_URL": "http://***@gateway.example/v1"
    }
    told = lemonade("doctor", **redirected)
    assert "by OPENAI_BASE_URL: prompts and key go there" in " ".join(told.out.split())
    assert "s3cret" not in told.out + told.err
