"""The commands of ``nsa``, one a file: options, and what is printed.

Each imports what it needs when it runs, so that ``--help`` need not wait for torch.
"""
