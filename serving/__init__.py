"""What we do: scores, target lists, decisions and their outcomes."""
