"""What was decided and what followed: append-only, and nothing is lost."""
