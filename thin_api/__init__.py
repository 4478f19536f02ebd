"""Parley: HTTP and push in front of the PostgreSQL functions that hold every rule."""
