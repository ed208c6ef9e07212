"""The HTTP surface: collectors that push, people who look, machines that ask."""
