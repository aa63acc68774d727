"""Jobs: saved specs with a state and an owner, and the stores that keep them."""
