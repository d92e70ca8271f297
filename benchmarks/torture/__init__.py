"""Kills, full disks, hostile files, load and attacks, which may not cost a user anything; with a table."""
