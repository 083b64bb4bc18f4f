"""Plans: pure planners compare spec, facts and state, and build a graph of steps."""
