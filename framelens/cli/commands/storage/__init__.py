"""Commands about the data folder as a whole."""
