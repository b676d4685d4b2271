"""Natural Synthetic Anomalies: train a visual anomaly detector from normal images only."""
