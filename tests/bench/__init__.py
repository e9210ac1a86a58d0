"""Measurements behind the numbers that README gives: against other packages, and CUDA against the CPU.

No test reads a clock: what is timed here is timed by `make bench` and `make gpu`.
"""
