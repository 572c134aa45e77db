"""What we learn: labels, models, gates and the registry."""
