"""Two load tests of SimilarItems, which check each other.

`locustfile`: simulated users in a closed loop, each waiting for its answer before it asks again; Locust's reports and
its many machines. `open_loop`: arrivals at a rate that does not care whether the server keeps up, as visitors do, with
latencies that contain the queue they build.
"""
