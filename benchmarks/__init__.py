"""Measurements that anyone can repeat: `python -m benchmarks NAME`; results lie in benchmarks/results/."""
