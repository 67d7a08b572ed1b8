"""Functions with the names and signatures of PyTorch's own."""
