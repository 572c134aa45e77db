"""The bank's history: its contract, quality report, import and readers."""
