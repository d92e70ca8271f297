"""Diagnosis of an installation: facts about this machine, the engine and the model, and findings from them."""
