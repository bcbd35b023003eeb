"""What the tests of a rulebook are worth: coverage, generated tests at boundaries, and changes that they notice."""
