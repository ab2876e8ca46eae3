"""Who reaches which port, worked out from recorded cloud rules alone.

Nothing here knows the program's table of rows or its plan, but for `promise`, which reads the rows
by what they say and is what the clouds' rules are held against.
"""
