"""Batches on a Ray cluster: threads of the queue wait for actors, each of which analyses a video at a time."""
