"""One statement as several: predicates over one column that no two of them share, and that leave no row out."""
