"""What a set of files is, as data; and whether the files are still what it says."""
