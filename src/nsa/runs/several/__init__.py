"""Several trainings by one command: ``nsa train`` with several categories, seeds, or both.

Every one of them is a run of its own, the same as ``nsa train`` makes alone, and a job. Beside
their run folders the results folder holds ``categories.yaml``, what was asked for; a log a run; and
at the end ``summary.csv``, the scores of all.
"""
