"""Measuring: a session is prepared, its rounds fill the evidence. It knows no report and no verdict."""
