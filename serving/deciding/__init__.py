"""One decision: what is allowed, what it is worth, which arm decides, at which prices."""
