"""What an experiment is: its variants, who is in it and when, and what keeps two of them apart."""
