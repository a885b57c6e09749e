"""Plans: the files that say what is run (``run.py``) and what is calibrated (``calibration.py``)."""

from jtem.plan.model import PRECISIONS, Precision, use_precision
from jtem.plan.run import Plan, from_dict, parse, read

__all__ = ["PRECISIONS", "Plan", "Precision", "from_dict", "parse", "read", "use_precision"]
