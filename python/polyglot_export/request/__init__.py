"""What is asked for."""
