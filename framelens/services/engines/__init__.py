"""Engine and model of this machine: choice, start, speed, and problems that prevent a start."""
