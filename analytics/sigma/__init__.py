"""Sigma rule files: read, checked and compiled to questions that the store can answer."""
