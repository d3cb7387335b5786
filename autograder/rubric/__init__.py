"""The rubric: one pytest file per section, one function per row; what is right stands in oracle.py."""
