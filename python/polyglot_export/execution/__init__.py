"""Runs a plan: the export that is running, the thread that pulls it, and the limit of its rate."""
