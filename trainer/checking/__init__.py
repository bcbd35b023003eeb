"""The middle of the validation ladder: does a candidate build, run, fit its budgets, and learn? The child's side."""
