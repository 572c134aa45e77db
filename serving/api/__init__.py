"""The HTTP surface: one ASGI app, mounted by the service."""
