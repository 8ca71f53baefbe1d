"""Tests of the figures that Herald tells of itself."""
