"""What the generator can do, one load a file. A job says what to do; the load marks its window and returns figures."""
