"""After the search: which network is meant, its final training, and the folder to deploy."""
