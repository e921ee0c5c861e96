"""Proves who is calling: login, sessions, access and refresh tokens, signing keys."""
