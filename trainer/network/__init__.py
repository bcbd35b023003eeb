"""A network: from source to a module, what it is made of, and why a source gives none. The child's side."""
