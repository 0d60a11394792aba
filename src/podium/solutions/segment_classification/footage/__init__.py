"""People's own videos as records of YouTube-8M: frames and sound to features, features to shards.

Loads nothing until asked; needs the extras ``torch`` and ``video``.
"""
