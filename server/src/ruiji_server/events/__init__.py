"""Events on their way into the journal: what is taken, what is answered, and the server's own impressions."""
