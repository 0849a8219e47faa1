"""Saving a fitted estimator and loading it: safetensors and JSON, no pickle."""

from sklearn_scan.results.persistence._loading import load
from sklearn_scan.results.persistence._parts import pack_parts, unpack_parts
from sklearn_scan.results.persistence._saving import save

__all__ = ["load", "pack_parts", "save", "unpack_parts"]
