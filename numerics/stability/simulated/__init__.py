"""Simulated products: QR iteration on data in every sampling mode, and population resampling."""
