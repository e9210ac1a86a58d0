"""An image's card: its blocks, groups, tables and tests."""
