"""Training of small caption translation models: what `tools/train_mini.py` is made of."""
