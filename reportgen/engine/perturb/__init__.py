"""Perturbations of an image: how they are made, packed and asked, and what layers answer to them."""
