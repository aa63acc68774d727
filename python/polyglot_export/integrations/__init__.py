"""For other people's programs: what web frameworks need of this package, a module each. Nothing is imported before it
is used.
"""
