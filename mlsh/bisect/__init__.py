"""Find the commit that broke it, though the test is noisy, slow and runs elsewhere.

`search/` is pure: it takes observations and says what to ask next. Around it: the candidates from git, the oracle that
understands what a probe printed, workers that run probes, the journal, and the loop that joins them.
"""
