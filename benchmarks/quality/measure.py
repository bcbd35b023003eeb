"""The benchmarks `quality` (peers) and `ablations` (parts of our own search)."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.campaign import FIRST_SEED, Campaign, Search
from benchmarks.quality.figures import summary, table
from benchmarks.quality.goals import GOALS
from benchmarks.quality.goals import summary as goal_summary
from benchmarks.quality.goals import table as goal_table
from benchmarks.quality.ours import OURS
from benchmarks.quality.tasks import tasks
from benchmarks.quality.trace import SearchTrace
from benchmarks.result import Result, machine, revision

EVALUATIONS = 30
SEEDS = {"digits": 10, "photographs": 5}
FEWER_SEEDS = {"digits": 5, "photographs": 3}
"""Of what has many contenders: all benchmarks together should end within a night."""
OPTIMISERS = ("random", "tpe", "nsga2", "evolution")
PEERS = (*OPTIMISERS, *(f"{name}-warm" for name in OPTIMISERS))
QUICK_PEERS = ("tpe-warm", "evolution")
QUICK_OURS = ("lemonade", "random-advice")
OURS_ON = {"digits": tuple(OURS), "photographs": ("lemonade", "diagnosis", "heaviest", "random-advice")}
"""An evaluation of photographs takes about twice as long as one of digits."""

ABOUT = (
    "Search quality at equal evaluations. Every contender proposes networks, and one trainer trains and scores them: "
    "the same data, splits, recipe, budget and seeds, one thread each, two searches at a time. lemonade: the built-in "
    "executor with the `lemonade` rulebook. random, tpe, nsga2: Optuna's samplers (NSGA-II for accuracy, size and "
    "speed, with a population of 10). evolution: NePS's regularised evolution (population 10). They choose in a "
    "space of the executor's own building blocks: stages, widths, depths, kernel sizes, skips, normalisation, "
    "dropout, stochastic depth, dense layers, initialisers, activation, pooling, places; what is too large is "
    "narrowed for them, so that no evaluation is lost. *-warm* begins with the network that lemonade begins with. "
    "Digits: 10 epochs; photographs: 2,000 images of CIFAR-10, 32x32 in colour, 6 epochs; both at most 4 MMACs. "
    "Intervals are bootstraps over seeds; *lemonade less* is taken seed by seed. The network of the highest V_Acc is "
    "tested after its search is over. Optuna's samplers begin with ten random draws, the same ones for the same seed. "
    "A network that another peer has had trained with the same seed, at the same revision, is taken over with its "
    "figures and its seconds. "
    "Seconds are wall-clock, and say little where the searches of a table were not run in one go; where machines "
    "differ, so does F, and hypervolume with it. Hypervolume counts small and fast networks too: lemonade is asked for "
    "accuracy alone here, and so spends its evaluations on larger networks, while the draws of others lie everywhere."
)
ABOUT_ABLATIONS = (
    "What the parts of our search are worth: the same tasks, trainer and seeds as in *quality*. "
    + "; ".join(f"{name}: {variant.about}" for name, variant in OURS.items())
    + ". On photographs, where a search takes longer, those that say most of the rules."
)


GOAL_CONTENDERS = ("lemonade", "nsga2", "nsga2-warm", "tpe", "tpe-warm")
ABOUT_GOALS = (
    "Goals with bounds, on digits as in *quality*: lemonade-es with the `edge` rulebook and the bounds required, "
    "beside Optuna's NSGA-II and TPE, which are told the bounds as constraints. *kept in*: the seeds in which a "
    "network within the bounds was found at all; *first after*: the evaluations (median) to the first of them; then "
    "the best value, mean over these seeds. Options and rules for these goals were tried on seed 400; what had to be "
    "mended was first seen on seed 1000. F and V_E carry the noise of a machine that does two searches at a time."
)


def quality(options: argparse.Namespace) -> Result:
    """lemonade-es beside optimisers of others."""
    contenders = ("lemonade", *(QUICK_PEERS if options.quick else PEERS))
    return _compared("quality", ABOUT, dict.fromkeys(SEEDS, contenders), SEEDS, options)


def ablations(options: argparse.Namespace) -> Result:
    """lemonade-es beside what is left of it without its parts."""
    contenders = dict.fromkeys(OURS_ON, QUICK_OURS) if options.quick else OURS_ON
    return _compared("ablations", ABOUT_ABLATIONS, contenders, FEWER_SEEDS, options)


def goals(options: argparse.Namespace) -> Result:
    """lemonade-es with bounds beside optimisers that know them."""
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if options.quick else FEWER_SEEDS["digits"]))
    contenders = ("lemonade", "tpe-warm") if options.quick else GOAL_CONTENDERS
    known = [GOALS["small"]] if options.quick else list(GOALS.values())
    searches = [Search(goal.name, name, seed) for seed in seeds for goal in known for name in contenders]
    campaign = campaign_of(searches, options)
    if not options.report:
        campaign.run()
    found = list(campaign.found())
    lines, figures = [], {}
    for goal in known:
        traces = [trace for trace in found if trace.task == goal.name]
        if traces:
            figures[goal.name] = goal_summary(goal, traces, campaign.evaluations)
            lines += [*goal_table(goal, figures[goal.name]), ""]
    lines.append(done(found, campaign))
    return result("goals", ABOUT_GOALS, "python -m benchmarks goals", lines, figures, found)


def _compared(
    name: str,
    about: str,
    contenders: Mapping[str, Sequence[str]],
    seeds: Mapping[str, int],
    options: argparse.Namespace,
) -> Result:
    """Each task's contenders; seed by seed, so that what is done when time is up can be compared."""
    known = tasks(options.photos, quick=options.quick)
    searches = [
        Search(task, contender, FIRST_SEED + number)
        for task in known
        for number in range(1 if options.quick else seeds[task])
        for contender in contenders[task]
    ]
    return compared(name, about, campaign_of(searches, options), known, options)


def compared(name: str, about: str, campaign: Campaign, known: Iterable[str], options: argparse.Namespace) -> Result:
    """Run a campaign, unless only a report is wanted; what its searches say of each task."""
    if not options.report:
        campaign.run()
    lines: list[str] = []
    figures: dict[str, Any] = {}
    found = list(campaign.found())
    for task in known:
        traces = [trace for trace in found if trace.task == task]
        if traces:
            figures[task] = summary(traces, campaign.evaluations)
            lines += [*table(task, figures[task]), ""]
    photos = " --photos CIFAR10_TREE" if options.photos is not None else ""
    return result(name, about, f"python -m benchmarks {name}{photos}", [*lines, done(found, campaign)], figures, found)


def result(
    name: str, about: str, command: str, lines: Sequence[str], figures: dict[str, Any], found: Sequence[SearchTrace]
) -> Result:
    """A result at the revisions, and on the kinds of processors, of the searches that it tells of."""
    revisions = ", ".join(sorted({trace.revision for trace in found}))
    kinds = Counter(trace.cpu or "a processor that was not recorded" for trace in found)
    told = ", ".join(f"{kind} ({count} searches)" for kind, count in kinds.most_common())
    where = machine() | ({"cpu": told} if kinds else {})
    return Result(name, about, command, "\n".join(lines), figures, revisions or revision(), where)


def campaign_of(searches: Sequence[Search], options: argparse.Namespace) -> Campaign:
    """The searches as the command's options want them run."""
    return Campaign(
        searches,
        2 if options.quick else EVALUATIONS,
        traces_of(options),
        sorted(os.sched_getaffinity(0)),
        options.photos,
        options.quick,
    )


def done(found: Sequence[SearchTrace], campaign: Campaign) -> str:
    """How far a campaign has come, and how much of it was trained for another search."""
    made = [item for trace in found for item in trace.evaluations]
    shared = sum(item.taken_over for item in made)
    return (
        f"{len(found)} of {len(campaign.searches)} searches are done; "
        f"{shared:,} of their {len(made):,} networks were taken over from another search"
    )


def traces_of(options: argparse.Namespace) -> Path:
    """Where searches leave what they did."""
    folder: Path = options.results / ("quick" if options.quick else "") / "searches"
    return folder
