"""Plans before and during a run: chunks, token cost, throughput and estimates."""
