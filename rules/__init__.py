"""Rulebook files: loading, expressions, problems, and the tests that a rulebook carries in itself."""
