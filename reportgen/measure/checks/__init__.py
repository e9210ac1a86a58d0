"""The checks of one audit: what they ask, the sample of images that they ask it of, and their verdicts."""
