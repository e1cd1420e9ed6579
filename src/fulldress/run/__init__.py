"""The rehearsed plan, run on the real host: exactly what was locked, step by step, with the way back at hand."""
