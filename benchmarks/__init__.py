"""A file a comparison; each says whether the output was correct, and what it cost."""
