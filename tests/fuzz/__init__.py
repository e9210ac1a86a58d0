"""`make fuzz`: files with bytes changed, cut and mixed, at every door that a stranger's file comes in by."""
