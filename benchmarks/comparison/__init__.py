"""Ruiji beside what a team would build instead: the same items, the same job, one machine, one run.

`python -m benchmarks.comparison --help` says how; `docs/benchmarks.md` says how to read the result.

- `job`: what is asked of everyone, and the parts that a library does not do. Runs in both environments.
- `engines`: the others, in an environment of their own; nothing in there imports Ruiji.
- `ruiji`, `floor`: ours, and the same gRPC server answering constant bytes.
- `catalogue`: items and exact answers. `systems`: who takes part. `processes`: pinned servers, their CPU and memory.
- `connections`, `load`: the load generator. `rounds`: the measurement. `report`: table, JSON and plot.
"""
