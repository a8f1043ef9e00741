"""Other libraries beside ours: each answers through its own public API, in an environment of its own where pins clash.

What a library is given and what it gives back are files (`benchmarks.peers.handover`); everybody's lists are measured
by the same code of ours. The modules named after libraries import that library and numpy alone: they run where
`recsys` is not installed.
"""
