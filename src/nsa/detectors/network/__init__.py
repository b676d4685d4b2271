"""The paper's detector: a network trained on synthetic anomalies."""
