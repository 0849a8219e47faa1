"""What a fit leaves: tables, corrections, prototypes, maps, saved models, exports."""
