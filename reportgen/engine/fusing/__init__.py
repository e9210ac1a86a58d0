"""Forwards of whole images without a gradient: layers that are worked out together."""
