"""Certified values, and the recipes that make them."""
