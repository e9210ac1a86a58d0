"""What other packages say of the planted faults.

`PYTHONPATH=tests python -m flaws.peers.dump FOLDER` writes the cases once. `PYTHONPATH=tests python -m
flaws.peers PEER FOLDER` gives them to a peer, in an environment that has torch, Pillow, matplotlib and the
peer: `cleanlab[datalab]` with `cleanvision`, `deepchecks` (0.19 wants scikit-learn 1.5 and category_encoders
2.6), or `bnnr`. What it says is judged by the rule of the audit. A peer gets what the audit gets: pictures,
labels, the network's answers and features, and a training folder where the audit has one.
"""
