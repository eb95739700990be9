"""The list of the user's own models: kept in a file, added to, verified, held against what an engine needs."""
