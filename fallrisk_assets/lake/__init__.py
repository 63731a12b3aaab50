"""The lake: Iceberg tables, the partition ledger and the landing zone, reached by a table's name.

What belongs here: how rows become files and commits. What does not: what the rows mean.
"""

from fallrisk_assets.lake.ledger import LedgerEntry, MissingPartition, PublishedMeanwhile
from fallrisk_assets.lake.publication import Publication, SliceRefused
from fallrisk_assets.lake.resource import Lake

__all__ = ["Lake", "LedgerEntry", "MissingPartition", "Publication", "PublishedMeanwhile", "SliceRefused"]
