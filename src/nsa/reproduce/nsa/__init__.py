"""The tables of the NSA paper by ``nsa reproduce``: a job is one training of one system."""
