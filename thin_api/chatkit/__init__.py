"""OpenAI's ChatKit on our functions; what needs the extra `chatkit` is in its modules."""
