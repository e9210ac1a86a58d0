"""The drawing of the network: fold, put in layers, route the edges, draw."""
