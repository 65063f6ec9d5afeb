"""CSVLogger: the results of each epoch as a row of a CSV file."""

from cthulhu_csv.logger import CSVLogger

__all__ = ["CSVLogger"]
