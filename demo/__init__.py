"""The demo estate and its hostile upgrade package: fixture, never part of the product."""
