"""The machine and the person at it: console, device, files, processes, signals."""
