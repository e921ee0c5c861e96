"""Keeps who there is: registration, profiles, roles, administration.

Passwords are checked in `auth`; here is only what stays when nobody is signed in.
"""
