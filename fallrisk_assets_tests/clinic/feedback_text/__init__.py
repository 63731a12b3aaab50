"""Tests of the text models."""
