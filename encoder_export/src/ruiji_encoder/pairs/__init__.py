"""From a marketplace's listings to picture-title pairs that are fit to train on.

`tables` and `shards` read what is there, `rules` says which titles describe no product, `duplicates` finds pairs that
must not be separated, `splitting` chooses samples and sides, `preparation` runs it all and `prepared` reads the result.
"""
