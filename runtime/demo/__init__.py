"""The demo: a synthetic hospital whose events go through the real collectors, with answers to score the alerts against."""
