"""What other packages say of the planted faults. `python -m flaws.peers.dump FOLDER` writes the cases once;
`python -m flaws.peers PEER FOLDER`, in an environment of the peer's own, judges what it says as the audit is
judged."""
