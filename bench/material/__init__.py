"""What the benches work on, made here."""
