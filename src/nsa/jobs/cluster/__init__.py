"""Jobs on a Ray cluster: connected to, checked node by node, and given one task a job.

Ray itself is imported where it is used, so that everything else does without.
"""
