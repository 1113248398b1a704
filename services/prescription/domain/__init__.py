"""What is true of a prescription, and what may happen to it: rules that know no broker, store or wire."""
