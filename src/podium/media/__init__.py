"""Video and images in and out. Nothing here is imported before it is used: PyAV is an optional extra."""
