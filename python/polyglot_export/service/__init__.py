"""The HTTP service. Only ``polyglot serve`` imports it: FastAPI alone costs a second of start-up."""
