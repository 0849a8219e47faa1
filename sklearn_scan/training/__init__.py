"""The training loop, and what it trains: batches, optimisers, heads and losses."""
