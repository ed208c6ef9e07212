"""Keeping the record as long as the law and the holds demand, and letting go of it so that the rest still proves itself."""
