"""Engine and model of this machine: which is chosen, how it is started, how fast it is, and what prevents a start."""
