"""A labelled synthetic hospital: people, care, records, work, and what is wrong with some of it. Everything follows from a seed.

Order of building (`build.py`): who lives where, who works, who is treated, the work that care makes, decoys, incidents.
All people and data are invented.
"""
