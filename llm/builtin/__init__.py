"""The built-in executor: code edits made by rules, with no language model behind them."""

from lemonade_es.llm.builtin.executor import BuiltinExecutor

__all__ = ["BuiltinExecutor"]
