"""Loading Experta, which leaves nothing behind, and the engine made of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lemonade_es.engine import _experta


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_loading_leaves_collections_and_the_root_logger_as_they_were():
    result = run(
        "import collections, logging, sys, warnings\n"
        "from lemonade_es.engine import _experta\n"
        "assert 'experta' not in sys.modules\n"
        "filters = list(warnings.filters)\n"
        "level = logging.getLogger().level\n"
        "experta = _experta.load()\n"
        "assert experta is _experta.load()\n"
        "assert 'experta' in sys.modules and experta.module.__version__ == '1.9.4'\n"
        "assert not hasattr(collections, 'Mapping')\n"
        "assert logging.getLogger().handlers == [] and logging.getLogger().level == level\n"
        "assert warnings.filters == filters\n"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_handlers_that_a_program_has_set_up_stay():
    result = run(
        "import logging, io\n"
        "handler = logging.StreamHandler(io.StringIO())\n"
        "logging.getLogger().addHandler(handler)\n"
        "from lemonade_es.engine import _experta\n"
        "_experta.load()\n"
        "assert logging.getLogger().handlers == [handler]\n"
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_a_plain_import_that_failed_before_does_no_harm():
    result = run(
        "try:\n    import experta\n    raise SystemExit('it worked')\nexcept AttributeError: pass\n"
        "from lemonade_es.engine import _experta\n"
        "assert _experta.load().module.KnowledgeEngine\n"
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_an_experta_without_its_requirements_is_told_as_such():
    result = run(
        "import sys\n"
        "sys.modules['schema'] = None\n"
        "from lemonade_es.engine import _experta\n"
        "from lemonade_es.errors import InferenceError\n"
        "try: _experta.load()\n"
        "except InferenceError as error: print(error)\n"
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "Experta is incomplete" in result.stdout


@pytest.fixture
def experta():
    return _experta.load()


def fired(experta, keys, facts):
    """The titles of rules with these keys over one Metric `x`, in the order in which they fire."""
    order = []

    def rule(title, key):
        return _experta.make_rule(
            title,
            {"x": experta.Metric},
            lambda values: values["x"] > 0,
            lambda _engine, _values: order.append(title),
            key,
        )

    engine = _experta.make_engine("Test", [rule(title, key) for title, key in keys.items()])
    engine.reset()
    engine.declare(*facts)
    engine.run()
    return order


def test_rules_fire_from_the_greatest_key_to_the_least(experta):
    keys = {"last": (-1, 9, 0), "second": (0, 0, -1), "third": (0, 0, -2), "first": (0, 5, -3)}
    assert fired(experta, keys, [experta.Metric(name="x", value=1.0)]) == ["first", "second", "third", "last"]


def test_only_rules_whose_test_holds_fire(experta):
    assert fired(experta, {"one": (0, 0, 0)}, [experta.Metric(name="x", value=-1.0)]) == []
    assert fired(experta, {"one": (0, 0, 0)}, [experta.Metric(name="y", value=1.0)]) == []


def test_engines_share_no_rules(experta):
    metric = {"x": experta.Metric}
    rule = _experta.make_rule("one", metric, lambda _values: True, lambda _engine, _values: None, (0, 0, 0))
    first = _experta.make_engine("First", [rule])
    second = _experta.make_engine("Second", [])
    assert [len(engine.get_rules()) for engine in (first, second)] == [1, 0]
    assert not hasattr(experta.Engine, "rule_00000")


def test_predicates_do_not_stay_in_the_global_table(experta):
    from experta.matchers.rete.check import WhereCheck  # noqa: PLC0415, TID251 - only importable after load()

    before = len(WhereCheck._instances)
    fired(experta, {f"rule {n}": (0, 0, -n) for n in range(20)}, [experta.Metric(name="x", value=1.0)])
    assert len(WhereCheck._instances) == before


def test_a_rule_may_be_called_like_a_method_of_the_engine(experta):
    assert fired(experta, {"run": (0, 0, 0)}, [experta.Metric(name="x", value=1.0)]) == ["run"]
