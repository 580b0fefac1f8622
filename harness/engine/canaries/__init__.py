"""Canaries: quick checks, with answers known beforehand, of the libraries that every result rests on."""
