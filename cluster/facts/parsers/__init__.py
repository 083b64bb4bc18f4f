"""One parser for each part of the facts script (templates/facts/PART.sh.j2): text in, plain values out, ValueError when it makes no sense."""
