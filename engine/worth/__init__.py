"""What rules were worth in recorded runs, and rulebooks whose weights are learned from that."""
