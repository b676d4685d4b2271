"""The methods of detecting anomalies, one folder each, behind one interface.

:mod:`nsa.detectors.method` says what a method is, :mod:`nsa.detectors.detector` what its trained
detectors offer; :mod:`nsa.detectors.registry` finds the methods.
"""
