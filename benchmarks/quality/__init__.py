"""Search quality at equal evaluations: lemonade-es beside optimisers that a user would pick instead.

All contenders propose networks that the built-in executor could write, and one trainer trains and scores them: the
same data, recipe, splits, seeds and budgets. What differs is who decides what to try next.
"""
