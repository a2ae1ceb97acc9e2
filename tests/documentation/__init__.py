"""Reading Markdown pages, and running one like a session."""
