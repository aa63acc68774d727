"""A plan becomes bytes: the running export, its feed and its pace."""
