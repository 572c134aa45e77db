"""Who may ask for what: keys with roles, tokens of an identity provider, limits, and the guard."""
