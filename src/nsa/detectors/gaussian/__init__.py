"""The detector of Rippel et al. 2020 as a method: settings, fit, run folder."""
