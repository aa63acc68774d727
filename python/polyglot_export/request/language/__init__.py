"""The small language of the command line's arguments: columns, filters, sort keys, options."""
