"""One parser for each part of the facts script (templates/facts/PART.sh.j2): text in, plain values out, ValueError for malformed text."""
