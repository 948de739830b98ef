"""Networks for inference: one interface, and a backend for each numeric precision."""
