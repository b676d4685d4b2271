"""Every setting of a run: dataclasses that know their valid ranges, presets, and options."""
