"""What the tests of the command have in common."""

# An encoder that learns from the photos, in about a second.
QUICK = [
    "--encoder", "SimCLR", "--encoder-epochs", "1", "--encoder-image-size", "16",
    "--finetune", "false", "--n-heads", "6", "--max-epochs", "5",
]  # fmt: skip
