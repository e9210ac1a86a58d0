"""Which maps can be relied on: every kind of map that explains an answer is asked several questions, on a
sample of the measured images. Each question has a file of its own; what the answers are worth is judged by
the audit.
"""
