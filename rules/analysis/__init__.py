"""What can be said of a rulebook without a search: its rules over many situations at once, and what can be proved."""
