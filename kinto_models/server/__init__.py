"""What runs inside a Kinto server. Nothing else of the package imports it."""
