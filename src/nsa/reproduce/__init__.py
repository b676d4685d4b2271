"""``nsa reproduce``: a paper's systems over categories and seeds, and its tables from them.

A job is one system on one category with one seed. One command at a time has a results folder, and
its jobs are done here, in worker processes or on a cluster:

jobs/<job>.json     a finished job: settings, metrics, times, curves
jobs/<job>/         pictures of its best and worst cases
runs/<job>/         its training or its finished folds, which an interrupted job continues
features/           what pretrained networks see in a category, for the jobs that need it
logs/<job>.log      what it printed, where a worker process did it
tables.md, tables.csv, tables.tex, index.html

What one paper's jobs do and how its tables are built stands behind ``nsa.reproduce.papers.Paper``;
all else is the same for every paper.
"""
