"""What Gater is measured against: each peer driven the way its own users would drive it."""
