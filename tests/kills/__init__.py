"""Runs that are killed at moments drawn from a seed, and what the next ones make of it."""
