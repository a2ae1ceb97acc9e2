"""The peers of Gater in the benchmark: each driven the way its own users would drive it."""
