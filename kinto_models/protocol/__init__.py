"""Row 1: Kinto's HTTP API as values. No I/O, no clock, no randomness, no pydantic, no requests."""
