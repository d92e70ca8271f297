"""More than one video or machine: batches with one stored result for each video, and plans of models on clusters."""
