"""Animals made to measure: coats that nobody else has, and photographs of them."""
