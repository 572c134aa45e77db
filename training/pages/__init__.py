"""Pages for people: one of each model, one of the churn definitions."""
