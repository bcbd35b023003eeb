"""What a person sees: the live view of a search, tables, explanations."""
