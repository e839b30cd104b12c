"""What a person reads: one timeline, the same words everywhere. Values in, lines of text out; nothing is printed."""
