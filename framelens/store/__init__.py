"""Files and databases in the data folder: jobs, library index, videos, caches and measurements."""
