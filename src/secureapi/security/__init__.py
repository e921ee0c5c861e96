"""Guards the house and remembers: permissions, guard, passwords, headers, limits, attempts, the trail.

Who is calling is proved in `auth`; this room only says what that means and what happens then.
"""
