"""Files and databases in the data folder: jobs, library index, videos, caches and measurements.

What this room does not do:

- Databases on another machine, or several machines on one data folder.
- Migrations of development versions.
- Encryption: the disk does that.
"""
