std = "lua51"
max_line_length = 88
read_globals = {
  "KEYS", "ARGV", "cjson", "cmsgpack", "bit",
  redis = { fields = { "call", "pcall", "error_reply", "status_reply", "log", "sha1hex", "LOG_WARNING", "LOG_NOTICE" } },
}

-- A fragment gives its functions to the script that includes it, and uses that
-- script's locals; each name below is declared by a fragment or expected by one.
local gives = { "now", "enter", "revive_due", "pick", "settle", "leave", "remove" }
local expects = { "usable", "cooling", "live", "session", "state", "expiry", "counters", "sid" }
local fragment = { read_globals = {}, ignore = { "211" } }
for _, name in ipairs(gives) do table.insert(fragment.read_globals, name) end
for _, name in ipairs(expects) do table.insert(fragment.read_globals, name) end
files["*/lua/_*.lua"] = fragment
-- 211: a local that only the included fragment uses.
files["*/lua/[a-z]*.lua"] = { read_globals = gives, ignore = { "211" } }
