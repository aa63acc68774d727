"""The first rows of something, for people: read as an export is read, and set as a table."""
