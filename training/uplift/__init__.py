"""What contacts change: learned from randomised arms, measured, and judged off policy."""
