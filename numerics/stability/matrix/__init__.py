"""Matrix blocks: exact and semi-analytic roads to spectra and moment exponents, and their dispatch."""
