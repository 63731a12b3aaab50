"""Recordings of falls and daily activities as the field publishes them, read into one shape.

`read_dataset` (in `recording`) is the way in; `datasets` lists what can be read; each reader is a module of
the data set's name; `quality` judges what was read. What does not belong here: what is done with a trial.
"""
