"""The shape of what comes in and goes out of this room, a file for each group of endpoints."""
