"""``lemonade-es export``: a network of a run as a folder to deploy."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any, Literal

import click

from lemonade_es.commands.options import FAILED, isolation_options, json_option, moved_data_options, out_option
from lemonade_es.commands.output import Terminal, echo, echo_json
from lemonade_es.commands.signals import interrupt_by_signals


class Which(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """``best``, ``final``, or ``final-N`` for the N-th final training."""

    name = "weights"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Literal["best", "final"], int | None]:
        """Where the weights come from, and the number of the final training if one is named; or exit code 2."""
        if isinstance(value, tuple):
            return value
        if value == "best":
            return "best", None
        found = re.fullmatch(r"final(?:-([1-9][0-9]{0,8}))?", str(value))
        if found is None:
            self.fail(f"{value!r} is neither best nor final nor final-N, for example final-2", param, ctx)
        return "final", None if found[1] is None else int(found[1])


@click.command(short_help="Make a folder to deploy from a network.")
@click.argument("run_name", metavar="RUN")
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "torchscript", "executorch", "source"]),
    default="onnx",
    show_default=True,
    help="The kind of file.",
)
@click.option("--quantize", type=click.Choice(["int8"]), help="8-bit weights and activations; ONNX alone.")
@click.option("--iteration", type=click.IntRange(min=1), metavar="N", help="Whose network [default: the best].")
@click.option(
    "--weights",
    type=Which(),
    metavar="best|final|final-N",
    help="The search's, or those of `finalize`: of its last training, or of the N-th, final-1 the first "
    "[default: final if there are any and no --iteration].",
)
@click.option(
    "--out-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder to write [default: export/... in the run's folder].",
)
@moved_data_options
@isolation_options()
@out_option
@json_option("Print one object.")
def export(
    run_name: str,
    *,
    form: Literal["onnx", "torchscript", "executorch", "source"],
    quantize: str | None,
    weights: tuple[Literal["best", "final"], int | None] | None,
    data: str | None,
    data_root: str | None,
    download: bool,
    out: Path,
    store: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a folder to deploy from a network of a run: its file, what its user must know, and an example that runs.

    The file is run on the validation inputs and compared with PyTorch; one that differs is not written (exit code 1).
    RUN is a run's id, the beginning of one, or `latest`.

    \b
    lemonade-es export latest
    lemonade-es export latest --quantize int8 --out-dir camera/
    lemonade-es export latest --format torchscript --iteration 4 --json
    lemonade-es export latest --weights final-1
    """
    from lemonade_es.engine.final.deployment import Deployment, DeploymentSpec, deploy
    from lemonade_es.engine.folder import RunFolder
    from lemonade_es.engine.spec import Whereabouts
    from lemonade_es.report.deployed import deployment_json, deployment_page, failure_json
    from lemonade_es.report.downloading import DownloadTeller
    from lemonade_es.trainer.export.delivery import Format

    which, number = weights or (None, None)
    wishes = DeploymentSpec(
        wanted=Format(form, quantize == "int8"),
        which=which,
        number=number,
        whereabouts=Whereabouts(data, data_root, download),
        **options,
    )
    progress = DownloadTeller(lambda line: echo(line, err=True))
    interrupt_by_signals()
    found = deploy(run_name, RunFolder(out, store), wishes, progress)
    if not isinstance(found, Deployment):
        if as_json:
            echo_json(failure_json(found))
        echo(f"lemonade-es: nothing was exported: {found.code}: {found.message}", err=True)
        sys.exit(FAILED)
    if as_json:
        echo_json(deployment_json(found))
        return
    Terminal().print(deployment_page(found), soft_wrap=True)  # the path is to be copied whole
    echo(f"try it: cd {shlex.quote(str(found.folder))} && python infer.py ...")
