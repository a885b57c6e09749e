"""Plans: the files that say what is run (``run.py``) and what is calibrated (``calibration.py``)."""

from jtem.plan.run import PRECISIONS, Plan, Precision, from_dict, parse, read, use_precision

__all__ = ["PRECISIONS", "Plan", "Precision", "from_dict", "parse", "read", "use_precision"]
