"""Target lists and plans: who gets which offer, why, by which channel."""
