"""What happened: events, the journal that holds them, the files that it names, and sums over them."""
