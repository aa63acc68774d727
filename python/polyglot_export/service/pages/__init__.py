"""The pages that the service itself shows to people."""
