"""Engine and model of this machine: which is chosen, started with what, how fast it is, and what stands against it."""
