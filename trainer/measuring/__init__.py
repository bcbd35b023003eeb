"""What a trained network is worth: answers held against labels, latency, and whether they can be trusted."""
