"""Beam pipelines, input sources, audit and the command line: the only room that knows Beam."""
