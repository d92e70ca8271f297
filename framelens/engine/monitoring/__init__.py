"""Live measurements of the machine, its GPUs and the engine."""
