"""The commands, one module each or one for a group, and what they share."""
