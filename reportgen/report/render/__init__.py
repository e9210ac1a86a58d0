"""The document -> files: HTML, PDF, results.json, junit.xml, maps."""
