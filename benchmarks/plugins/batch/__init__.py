"""Batches on a Ray cluster of two nodes on this machine, against the local run."""
