"""Judging images as they appear in a folder.

changes.py   what is there and what has changed: a look at the whole folder, and events
pending.py   files that wait until they are complete
table.py     tables that only grow, whose whole lines outlast a kill
identity.py  which run, folder and decision a folder of results belongs to
results.py   what is judged already, and where the rest is written to
standing.py  how it goes: counts, rate, latency and drift, for people and programs
loop.py      the loop
"""

from nsa.runs.watch.loop import WatchOptions, watch

__all__ = ["watch", "WatchOptions"]
