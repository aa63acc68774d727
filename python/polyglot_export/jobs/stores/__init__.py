"""Where jobs are kept: in this process, or in Redis for several replicas."""
