"""Published systems of feature maps, points and quadrature."""
