"""A model from its sealed files to champion and back: kept, rehearsed, promoted, reproduced."""
