"""Components of the pages: each a Python module that mounts an HTML, CSS and JavaScript part of its own."""
