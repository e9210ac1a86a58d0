"""Two audits of one set of images -> what changed from the one to the other, without their models."""
