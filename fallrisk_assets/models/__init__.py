"""Models under governance: how a version is trained, judged, promoted, taken back, and described.

Belongs here: the training set and the evaluation of the fall detector as tables, the gates, the registry of
versions, the model card. Does not belong here: how a fall is found or an index is added up (`risk`).
"""
