"""Risk: falls that happened (events) and falls that may come (window scores, 12-month index).

Belongs here: the fall detector and its evaluation, the window score, the fall-risk index. Does not
belong here: how samples become windows (mobility) and who is told about an event (alerts).
"""
