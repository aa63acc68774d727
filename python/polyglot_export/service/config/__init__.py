"""What the service is told: environment and file."""
