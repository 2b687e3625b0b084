"""Providers that come with Krustlet. Each is written as an outsider would write it."""
