"""Finds what is wrong and explains what is right: rules, relationships, baselines, ranking."""
