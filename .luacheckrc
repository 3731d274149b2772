-- A fragment uses what the script around it has, and gives what that uses: whether the
-- whole fits together is tested on whole scripts (tests/test_lua.py).
std = "lua51"
read_globals = { "redis", "KEYS", "ARGV", "cjson" }
max_line_length = 94
-- 11: names that another fragment has. 211, 221, 231, 311: locals for another fragment.
ignore = { "11.", "211", "221", "231", "311" }
