"""Claims with one thing changed at a time: a release of a library, an instruction set, threads, another Python."""
