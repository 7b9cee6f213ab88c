"""MSMO's training data: corpora, items, tokens, sampling, batches."""
