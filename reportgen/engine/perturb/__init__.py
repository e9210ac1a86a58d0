"""Changed copies of an image: how they are made, packed, and what layers answer to them."""
