"""``nsa reproduce``: the paper's systems over categories and seeds, and its tables from them.

A job is one system on one category with one seed. Any number of processes on any number of machines
share a results folder:

jobs/<job>.json     a finished job: settings, metrics, times, curves
jobs/<job>/         pictures of its best and worst cases
runs/<job>/         its training, which an interrupted job continues
claims/<job>.lock   while a process works on it
logs/               output of worker processes
tables.md, tables.csv, tables.tex, index.html
"""
