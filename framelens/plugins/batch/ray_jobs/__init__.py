"""Batches on a Ray cluster: a submitted job checks every node, then spreads the videos over actors."""
