"""One statement read as several, by the values of a column."""
