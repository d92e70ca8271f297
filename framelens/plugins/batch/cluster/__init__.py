"""Clusters: the plan of a model on several machines, its commands, and a check of the machines."""
