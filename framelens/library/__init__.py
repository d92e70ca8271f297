"""Bulk operations, import and semantic search over stored analyses."""
