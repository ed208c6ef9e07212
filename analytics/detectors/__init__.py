"""Daily detectors: what one day looks like against the days before. Pure over frames; `analytics.daily` asks and writes."""
