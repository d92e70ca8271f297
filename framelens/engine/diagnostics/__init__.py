"""Diagnosis of an installation and of engine logs."""
