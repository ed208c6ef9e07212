"""Where facts are kept: the only place that speaks to ClickHouse, and the only place with SQL."""
