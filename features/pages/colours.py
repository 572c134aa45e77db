"""The few colours of pages and pictures."""

__all__ = ["BLUE", "GREY", "INK", "RED"]

BLUE, GREY, RED = "#3b6ea5", "#9aa5b1", "#b5544d"
"""What is counted, what is only context, what needs attention."""

INK = "#3d4852"
"""Letters in pictures."""
