"""How requests are read and answered: the connection, keys, JSON, errors, OpenAPI."""
