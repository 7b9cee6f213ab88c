"""The study: the record of every trial of a sweep, in a database."""
