"""Plumbing with no business word: clock, database, errors, problem+json, bodies, pages, logs, health.

Nothing in here knows what a user, a session or a permission is.
"""
