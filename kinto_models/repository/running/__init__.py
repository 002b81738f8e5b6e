"""Who carries conversations out: one by one, blocking or awaited, and many in few requests."""
