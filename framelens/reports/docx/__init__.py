"""Word report (Office Open XML)."""
