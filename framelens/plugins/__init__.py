"""Built-in plugins, each a folder that holds all of one capability. `framelens.registry` finds them."""
