"""Trust in the program code of models: what would run, and what an administrator has confirmed."""
