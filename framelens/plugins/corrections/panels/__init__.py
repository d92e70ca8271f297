"""What the plugin draws in the pages."""
