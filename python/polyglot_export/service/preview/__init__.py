"""A look at the first rows of what would be exported, and how large that would be."""
