"""Dumps: many relations of one moment into a set of files, with a manifest that is written last."""
