"""Operations, one verb each: setup, standalone, cluster, tests. The shell files are thin; the work is in Python."""
