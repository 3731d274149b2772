-- Remember how each check is now, and find out what has changed. Whoever makes a change
-- is told of it, nobody else; a second call with the same checks changes nothing.
-- KEYS: 1 alerts, 2 their events, 3 changes that are to be sent on
-- ARGV: 1 for how long a change must have lasted, in ms; 2 the most changes to be kept
--       for sending, 0 for none; then for each check: id, status, text. One whose
--       status is unknown stays as it is, and so do those of pools if "name" without a
--       pool is unknown; one that is not named is healthy.
-- Returns: a JSON object for each change: alert, was, status, since (ms), text, id

local alerts, events, outbox = KEYS[1], KEYS[2], KEYS[3]
local after, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local changes, named, unknown = {}, {}, {}

--@include limpet/_sound
sound(alerts, "hash")
sound(events, "stream")
sound(outbox, "hash")

-- A full Redis lets a script whose first write takes no room.
redis.call("HDEL", alerts, "")

-- What was told of a check; of one that something else has written to, nothing.
local known = {healthy = true, degraded = true, down = true}
local function remembered(held)
  local read, a = pcall(cjson.decode, held or "")
  if read and type(a) == "table" and known[a.told] and known[a.now]
    and type(a.from) == "number" then return a end
  return {told = "healthy", now = "healthy", from = now}
end

local function change(id, a, text)
  local was = a.told
  a.told, a.since = a.now, a.from
  local key = redis.call("XADD", events, "MAXLEN", "~", 10000, "*", "event", "alert",
    "alert", id, "was", was, "status", a.told, "text", text)
  local told = cjson.encode({alert = id, was = was, status = a.told, since = a.since,
    text = text, id = key})
  changes[#changes + 1] = told
  if redis.call("HLEN", outbox) < most then redis.call("HSET", outbox, key, told) end
end

local function judge(id, status, text)
  local held = redis.call("HGET", alerts, id)
  local a = remembered(held)
  -- A clock that was put back must not keep a change from being told.
  if status ~= a.now or a.from > now then a.now, a.from = status, now end
  if a.now ~= a.told and now - a.from >= after then change(id, a, text) end
  if a.now == "healthy" and a.told == "healthy" then
    redis.call("HDEL", alerts, id)
    return
  end
  local kept = cjson.encode(a)
  if kept ~= held then redis.call("HSET", alerts, id, kept) end
end

for i = 3, #ARGV, 3 do
  named[ARGV[i]] = true
  if ARGV[i + 1] == "unknown" then
    unknown[ARGV[i]] = true
  else
    judge(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  end
end
local all = redis.call("HKEYS", alerts)
for i = 1, #all do
  if not named[all[i]] and not unknown[string.match(all[i], "^[^:]*")] then
    judge(all[i], "healthy", "there is no such thing any more")
  end
end
return changes
