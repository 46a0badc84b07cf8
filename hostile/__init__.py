"""What only a long run shows: fuzzing, chaos, soak, mutation. Nothing here is installed, nor imported by a test."""
