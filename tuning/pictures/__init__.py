"""Pictures: results in, a matplotlib figure out; a file a picture."""
