"""The evaluation: synthetic hospitals with answers, phitrail over them, and the figures beside those of common methods."""
