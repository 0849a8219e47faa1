"""The results of a fit: tables, corrections, prototypes, maps, models, exports."""
