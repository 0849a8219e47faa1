"""The cache of embeddings: each image once per encoder, whoever asks.

``sklearn-scan cache`` reports its size, and with ``--clear`` deletes it.
"""

from sklearn_scan.encoders.cache._fingerprint import digest, fingerprint
from sklearn_scan.encoders.cache._report import SHARDS as SHARDS
from sklearn_scan.encoders.cache._report import (
    CachedEncoder,
    CacheInfo,
    cache_folder,
    cache_info,
    clear_cache,
)
from sklearn_scan.encoders.cache._store import EmbeddingCache

__all__ = [
    "CacheInfo",
    "CachedEncoder",
    "EmbeddingCache",
    "cache_folder",
    "cache_info",
    "clear_cache",
    "digest",
    "fingerprint",
]
