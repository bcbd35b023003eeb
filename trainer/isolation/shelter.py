"""The shelter: a nursery at the best level of isolation that its canaries prove."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation import bubblewrap
from lemonade_es.trainer.isolation.child import Child
from lemonade_es.trainer.isolation.container import Container
from lemonade_es.trainer.isolation.housing import Beside, Housing, gpu_devices
from lemonade_es.trainer.isolation.level import (
    LEVELS,
    Level,
    Wish,
    available,
    choices,
    has_landlock,
    permit,
    refusal,
)
from lemonade_es.trainer.isolation.nursery import Job, Nursery
from lemonade_es.trainer.isolation.proof import Canary, demands, prove
from lemonade_es.trainer.isolation.protocol import DeadlinePassedError


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked of a shelter.

    Attributes:
        wish: a level, or ``auto`` for the best that holds.
        foreign: whether sources come from anyone but the user and this package.
        unsafe: whether the user accepts to run foreign sources without isolation.
        image: for ``container``, instead of the default image.
        gpu: whether the GPUs must be within reach.
        memory_bytes: that a container may take.
    """

    wish: Wish = "auto"
    foreign: bool = True
    unsafe: bool = False
    image: str | None = None
    gpu: bool = False
    memory_bytes: int = 8 << 30


@dataclass(frozen=True, slots=True)
class Proven:
    """The level in force.

    Attributes:
        level: with what it rests on; why better levels are not in force is told there too.
        canaries: what was tried, and that it was refused; none at level ``none``.
    """

    level: Level
    canaries: tuple[Canary, ...] = ()


class Shelter:
    """Hands out children at one level of isolation, which is proved before the first.

    With ``auto`` the next level is taken where one is not to be had, or a canary gets through it. What is only too slow
    shows neither, and is an error.

    Args:
        needs: what is asked of it.
        supplies: for the zygote.
        descriptors: of the files that go with them.

    Raises:
        IsolationError: no level that would do can be had.
    """

    def __init__(self, needs: Needs, supplies: Mapping[str, object], descriptors: Callable[[], Sequence[int]]) -> None:
        self._needs = needs
        self._supplies = supplies
        self._descriptors = descriptors
        self._choices = list(choices(needs.wish, image=needs.image))
        self._fallen: list[Level] = []
        self._proven: Proven | None = None
        self._verdicts: tuple[Canary, ...] = ()
        self._aborted = threading.Event()
        self._level, self._nursery = self._next()

    def start(self) -> None:
        """Starts the zygote and returns at once.

        Raises:
            IsolationError: it cannot be started.
        """
        self._nursery.start()

    def close(self) -> None:
        """Ends the zygote and with it every child."""
        self._nursery.close()

    def abort(self) -> None:
        """Ends the zygote at once, from any thread, and lets none be started again; it is still to be closed."""
        self._aborted.set()
        self._nursery.abort()

    @property
    def proven(self) -> Proven:
        """The level in force; the first call waits for the zygote and its canaries.

        Raises:
            IsolationError: no level holds that would do, or it is not known in time whether one holds.
        """
        while self._proven is None:
            try:
                self._proven = self._proved()
            except IsolationError as error:
                self._nursery.close()
                if self._aborted.is_set():
                    raise
                if isinstance(error.__cause__, DeadlinePassedError):
                    raise _undecided(self._level, error) from error
                failed = replace(self._level, reason=error.message, available=False)
                if failed.name == "none":
                    raise
                if self._needs.wish != "auto":
                    raise refusal(failed) from None
                self._fallen.append(failed)
                self._level, self._nursery = self._next()
                if self._aborted.is_set():  # meanwhile: it was the nursery before that was told
                    self._nursery.abort()
        return self._proven

    @property
    def verdicts(self) -> tuple[Canary, ...]:
        """What became of the canaries that were sent out last, also if one got through."""
        return self._verdicts

    def child(self, job: Job) -> Child:
        """A new child, locked as the level in force demands.

        Args:
            job: whatever it says of confinement is the level's to decide.

        Raises:
            IsolationError: the level does not hold, or no child can be had.
        """
        confine = self.proven.level.name != "none"
        policy = replace(job.policy, confine=confine, landlock=_with_landlock(self.proven.level))
        return self._nursery.child(replace(job, policy=policy))

    def _next(self) -> tuple[Level, Nursery]:
        """The best level that has not fallen, and a nursery there."""
        while self._choices and not self._choices[0].available:
            self._fallen.append(self._choices.pop(0))
        level = self._choices.pop(0) if self._choices else Level("none", "resource limits alone")
        level = replace(level, reason="; ".join([level.reason, *self._excuses()]))
        permit(level, foreign=self._needs.foreign, unsafe=self._needs.unsafe)
        return level, Nursery(self._supplies, self._descriptors, _housing(level, self._needs))

    def _excuses(self) -> list[str]:
        """Why better levels are not in force; what is missing for two of them is said once."""
        reasons = dict.fromkeys(level.reason for level in self._fallen)
        names = {reason: [level.name for level in self._fallen if level.reason == reason] for reason in reasons}
        return [f"not {' or '.join(named)}: {reason}" for reason, named in names.items()]

    def _proved(self) -> Proven:
        level = self._level
        if level.name == "none":
            self._nursery.wait()
            return Proven(level)
        landlock = _with_landlock(level)
        cuda = self._needs.gpu and bool(gpu_devices())
        self._verdicts = prove(self._nursery, demands(level.name, landlock=landlock), landlock=landlock, cuda=cuda)
        escaped = [canary for canary in self._verdicts if not canary.held]
        if escaped:
            told = "; ".join(f"{canary.name} ({canary.said})" for canary in escaped)
            raise IsolationError(f"it does not hold: a canary got through: {told}")
        return Proven(level, self._verdicts)


def _undecided(level: Level, error: IsolationError) -> IsolationError:
    """The error for a level that was too slow to show whether it holds: it is neither kept nor given up."""
    return IsolationError(
        f"whether the isolation level {level.name} holds here is not known: {error.message}",
        where="isolation",
        hint="try again when the machine is less busy, or choose a level with --isolation",
    )


def survey() -> tuple[Proven, ...]:
    """Every level with what its canaries say here; one that does not hold is told as not to be had, with the reason."""
    levels = [available(name) for name in LEVELS]
    shelters: dict[str, Shelter] = {
        level.name: Shelter(Needs(wish=level.name, gpu=level.name != "container"), {}, list)
        for level in levels
        if level.available and level.name != "none"
    }
    try:
        for shelter in shelters.values():  # all of them import torch at the same time
            with suppress(IsolationError):  # it is told when this one is asked what it has proved
                shelter.start()
        return tuple(_surveyed(level, shelters.get(level.name)) for level in levels)
    finally:
        for shelter in shelters.values():
            shelter.close()


def _surveyed(level: Level, shelter: Shelter | None) -> Proven:
    if shelter is None:
        return Proven(level)
    try:
        return shelter.proven
    except IsolationError as error:
        return Proven(replace(level, reason=error.message, available=False), shelter.verdicts)


def _housing(level: Level, needs: Needs) -> Housing:
    if level.name == "strong":
        return bubblewrap.housing(gpu=needs.gpu)
    if level.name == "container":
        return Container(needs.image, needs.memory_bytes, needs.gpu)
    return Beside()


def _with_landlock(level: Level) -> bool:
    return level.name != "container" or has_landlock()
