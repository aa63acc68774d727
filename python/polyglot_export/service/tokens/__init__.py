"""Callers that an identity provider knows: their tokens, and the keys with which these are verified."""
