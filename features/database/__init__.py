"""Rows that must survive: one open connection and its transactions, on SQLite or PostgreSQL."""
