"""The challenge set of the checker: cases, true paraphrases and corruptions, in a development and a held-out split."""
