"""What we know: history in, features out, honest in time."""
