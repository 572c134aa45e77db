"""What the catalogue says of offers: nouns, the language of its rules, and their reading."""
