"""Pages: templates and the few lines that render them."""
