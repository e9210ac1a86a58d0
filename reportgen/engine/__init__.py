"""Tensor work: the plan of needs, the one pass over the images, gradients, perturbations, projections."""
