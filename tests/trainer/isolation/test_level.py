"""What may run where."""

from __future__ import annotations

import pytest

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation.level import Level, best_level, permit

NOTHING = Level("none", "the kernel has no Landlock")


def test_foreign_source_without_isolation_is_refused_with_the_reason() -> None:
    with pytest.raises(IsolationError, match="the kernel has no Landlock") as caught:
        permit(NOTHING, foreign=True, unsafe=False)
    assert "--unsafe-no-isolation" in (caught.value.hint or "")


@pytest.mark.parametrize(("foreign", "unsafe"), [(False, False), (True, True)])
def test_own_source_and_accepted_risk_run_anywhere(foreign: bool, unsafe: bool) -> None:
    permit(NOTHING, foreign=foreign, unsafe=unsafe)


@pytest.mark.isolation
def test_foreign_source_runs_where_it_is_isolated() -> None:
    level = best_level()
    assert level.name == "medium"
    assert "Landlock version" in level.reason
    permit(level, foreign=True, unsafe=False)
