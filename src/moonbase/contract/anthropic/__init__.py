"""The platform's second wire format, that of Anthropic's Messages API (contract.md 9): read into chat requests, and
written from the same events."""
