"""The expert system and the search: facts, inference, conflict resolution, the loop and its journal."""
