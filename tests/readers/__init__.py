"""Other people's readers of Parquet: which of them reads which type, and how."""
