"""Annotating files: in shards that survive a stop, on this machine or on Ray."""
