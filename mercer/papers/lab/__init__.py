"""Published systems of writing compute kernels."""
