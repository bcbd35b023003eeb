"""Algorithm 1: advise, ask, check, train, rank, and again; everything that a search does between two networks."""
