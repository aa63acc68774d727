"""Links to what an export gives, which need no key."""
