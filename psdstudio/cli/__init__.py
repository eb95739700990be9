"""The command line: parse, run a job, print. Computes no pixels and imports no engine."""
