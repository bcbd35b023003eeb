"""What would be advised: for facts that one supposes, in other books, and in recorded runs."""
