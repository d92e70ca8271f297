"""Shot boundaries: cuts, fades, dissolves and wipes."""
