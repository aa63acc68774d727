"""Who has read what: the audit log."""
