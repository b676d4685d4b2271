"""Figures and tables that one would show to a colleague.

``curves``, ``grids`` and ``methods`` draw with matplotlib, which the other modules do without.
"""
