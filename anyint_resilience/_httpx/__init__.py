"""What httpx and httpx2 share, written once. Imports neither: each adapter binds it to its client."""
