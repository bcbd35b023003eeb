"""Why a recorded decision came about, or did not: derivations, what would have flipped it, and the decision again."""
