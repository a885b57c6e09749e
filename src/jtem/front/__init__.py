"""The Python front door; its public names are those of ``jtem``."""
