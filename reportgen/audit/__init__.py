"""From evidence to results: metrics, calibration, gates, verdicts on the maps, and the seal of the files."""
