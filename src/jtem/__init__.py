"""jtem: a JAX-differentiable Terrestrial Ecosystem Model with permafrost carbon."""

__version__ = "0.1.0"
