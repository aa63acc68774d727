"""Webhooks: configured receivers that are told of the end of runs."""
