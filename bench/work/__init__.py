"""The works of the budget table: each module measures one kind of work and judges it."""
