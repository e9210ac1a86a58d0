"""Exact answers to local changes of an image: only the patch that a change reaches is worked out anew."""
