"""The engines, which run plans; each has its file."""
