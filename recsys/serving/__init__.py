"""The HTTP service over `recsys.Engine`: nothing here is imported unless it serves."""
