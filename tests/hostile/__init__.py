"""Files, folders and texts of people nobody knows, and bad nights: each test names the promise it keeps."""
