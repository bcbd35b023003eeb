"""Validates, trains and measures candidate networks in an isolated process."""
