"""Work-flows: a request becomes a plan, tasks, an implementation, checks and a report, over sessions."""
