"""The Responses API: requests, answers and events in its form."""
