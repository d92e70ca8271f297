"""Kills, full disks, hostile files, load and attacks, none of which may cost a user anything; with a table."""
