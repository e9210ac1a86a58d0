"""Arrays -> pixels, points and colours. matplotlib's tables are read here and nowhere else."""
