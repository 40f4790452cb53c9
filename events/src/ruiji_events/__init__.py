"""What people saw and did: the log of impressions, taps and purchases, its journal, its partitions, its queries."""
