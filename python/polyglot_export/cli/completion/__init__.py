"""What a shell offers behind the tab key: names of the database, formats and their options."""
