"""The calls of the interface, one file a resource, and what they show."""
