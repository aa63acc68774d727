"""The runs of this process, and how several replicas share their jobs."""
