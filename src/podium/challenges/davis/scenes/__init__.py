"""Clips made to measure: a scene is drawn (`drawing`), and rendered with exact masks and flow (`rendering`)."""
