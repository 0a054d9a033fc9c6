"""Where exponents vanish: stable sets of one symbol, curves over two, roots in the order of a moment."""
