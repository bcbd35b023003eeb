"""The shipped rulebooks, as package data."""
