"""Objects that fall and come to rest: their convex pieces, the simulation, and the check of what came out.

It needs the extra ``physics``; nothing here is imported before a specification asks for it.
"""
