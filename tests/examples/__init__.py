"""The applications under examples/, run as their users run them."""
