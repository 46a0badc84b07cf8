"""``doctor``: AnyInt's eight integration checks, and what stands between a client and the gateway. See ``command``."""
