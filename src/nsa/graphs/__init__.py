"""Detectors as graphs of plain operations, which other runtimes know.

``trace`` makes them of modules; ``session`` runs them by ONNX Runtime, and ``kept`` keeps them in a
run folder for that.
"""
