"""Ray Serve as the host of engines: where they run, how many, and what replaces one that failed.

Ray starts them; what they write never goes through Ray. Needs the extra ``[ray]``, and only here.
"""
