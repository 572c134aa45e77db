"""Did it work: campaigns and arms compared, and other ways judged from the log."""
