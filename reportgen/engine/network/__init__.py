"""What the network is: its layers, graph, receptive fields and output, found by tracing one forward."""
