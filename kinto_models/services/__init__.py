"""What a server offers besides buckets and what is in them: accounts, the list of permissions, utilities."""
