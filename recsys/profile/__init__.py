"""What a shop knows about a shopper, as lines of text with their evidence, to be read, changed and forgotten.

`recsys.profile.builder.Profiler` builds them; nothing is imported here, since `recsys.aspects` reads the list of
sensitive matters of this package.
"""
