"""Attacks on the service from loopback, each bounded in count and time, and what honest clients see beside them."""
