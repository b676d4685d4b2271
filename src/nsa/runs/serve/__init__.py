"""A detector behind HTTP: images in, decisions out. ``nsa serve --help``."""
