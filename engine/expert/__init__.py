"""The expert system: facts, forward chaining, and the resolution of conflicts."""
