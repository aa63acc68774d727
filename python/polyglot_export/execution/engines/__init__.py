"""What runs a plan, an engine a file."""
