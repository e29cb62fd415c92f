"""What is known of a run, how it moves from state to state, and in which words."""
