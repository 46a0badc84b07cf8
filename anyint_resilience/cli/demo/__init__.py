"""The demonstration: three clients against a faulty gateway, each decision explained, each outcome checked."""
