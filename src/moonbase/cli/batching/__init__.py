"""What `moonbase batches` does: from a file of requests or prompts to a file of answers."""
