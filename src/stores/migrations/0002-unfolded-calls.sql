-- Calls that have their rows but are in no total yet: the sequences of each batch, as little-endian doubles. A start after a crash adds them up.
CREATE TABLE unfolded_calls (
  id        INTEGER PRIMARY KEY,
  sequences BLOB    NOT NULL
) STRICT;
