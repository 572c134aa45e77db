"""Models of finished tables, by the same trainer, gates and page."""
