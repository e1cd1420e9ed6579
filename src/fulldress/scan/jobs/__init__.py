"""Scheduled work and services: what is started when, by whom, and what that reaches."""
