"""Planted faults: small networks trained on drawn sets, each with one flaw and a twin that has none; what an
audit says of both is held against what was planted. `make flaws` prints the table."""
