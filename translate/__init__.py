"""Text to translation: languages, models, tokenizers and the engine."""
