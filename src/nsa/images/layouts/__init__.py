"""Layouts of data sets, one a file."""
