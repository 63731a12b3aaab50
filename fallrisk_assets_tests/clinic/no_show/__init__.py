"""Tests of the no-show model."""
