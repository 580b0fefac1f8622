"""Faults that are put into libraries: one function each, without arguments, which patches the library as the report describes it.

All of it is our own; no library's code is repeated here. An injection is applied before the suite imports the library's names.
"""
