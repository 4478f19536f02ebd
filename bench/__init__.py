"""Measurements: one question a file, answered by ratios taken side by side in one run."""
