"""How much runs at a time: memory and connections, and the share of each export."""
