"""What is known about engines without one that runs: their arguments and architectures, and the hubs of models."""
