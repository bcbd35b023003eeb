"""Neural architecture discovery steered by an expert system and executed by an LLM.

After LEMONADE (Rahman, Haider and Chakraborty, Scientific Reports, 2025). The parts, in the order in which
one iteration of the search passes through them:

* :mod:`lemonade_es.rules` reads rulebook files;
* :mod:`lemonade_es.engine` turns measurements into facts, fires the rules, resolves conflicts, runs the search;
* :mod:`lemonade_es.llm` carries out the resulting edit request as a code patch;
* :mod:`lemonade_es.trainer` validates, trains and measures the patched network in an isolated process;
* :mod:`lemonade_es.report` shows what happened.
"""

__version__ = "0.1.0"
