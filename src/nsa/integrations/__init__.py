"""This package at home in others: a module for each, which imports it and is imported by nobody."""
