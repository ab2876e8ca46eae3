"""`make bench`: how long a cluster takes to be there, and what it spends the time on."""
