"""A page for people who look through what a detector says: one file that opens from disk.

``page`` puts it together, ``pictures`` makes what it shows of an image; the rest are its own files,
HTML, CSS and JavaScript, which go into the page as they are.
"""

from nsa.report.review.page import ReviewDecisions, ReviewEntry, ReviewPage

__all__ = ["ReviewDecisions", "ReviewEntry", "ReviewPage"]
