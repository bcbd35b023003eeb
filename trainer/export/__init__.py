"""A trained network as a file that runs without this package, checked against PyTorch."""
