"""Row 2: what users subclass, and the typed words they use with it. No sockets, no requests to a server."""
