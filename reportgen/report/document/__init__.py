"""Evidence and results -> the document: what stands on the page, in which words."""
