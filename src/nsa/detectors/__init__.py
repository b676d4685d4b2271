"""The ways to detect anomalies, one folder each, behind one interface."""
