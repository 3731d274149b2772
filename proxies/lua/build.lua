-- Fill an index that is asked for the first time; one bounded step.
-- KEYS: 1 static prefix, 2 registry, 3 usable, 4 index prefix, 5 live prefix
-- ARGV: 1 index, 2 start: "-", or "(" and the last proxy of the step before, 3 batch,
--       4 the most indexes that a pool may have
-- Returns: where to go on, "" when the index is complete; "!" when there are too many

local static, registry, usable, indexes, live = unpack(KEYS)
local wanted, start, batch, most = unpack(ARGV)
--@include proxies/_index

if redis.call("HGET", registry, wanted) == "1" then return "" end
-- Filters that fit no proxy make room: whoever sends jobs may think of any number.
local function make_room()
  local all = redis.call("HGETALL", registry)
  for i = 1, #all, 2 do
    if all[i + 1] == "1" and redis.call("EXISTS", indexes .. all[i]) == 0 then
      redis.call("HDEL", registry, all[i])
    end
  end
  return redis.call("HLEN", registry) < tonumber(most)
end

if redis.call("HEXISTS", registry, wanted) == 0 then
  local full = redis.call("HLEN", registry) >= tonumber(most)
  if full and not make_room() then return "!" end
  -- Of an index that is not in use, nothing is known.
  redis.call("UNLINK", indexes .. wanted)
  -- From here on, who enters or quits does so in this index too.
  redis.call("HSET", registry, wanted, 0)
end
local filter = string.match(wanted, "^(.+):")
local found = redis.call("ZRANGEBYLEX", usable, start, "+", "LIMIT", 0, batch)
for i = 1, #found do
  local labels = redis.call("HGET", static .. found[i], "labels") or ""
  if belongs(labels, filter) then join(wanted, found[i]) end
end
if #found == tonumber(batch) then return "(" .. found[#found] end
redis.call("HSET", registry, wanted, 1)
return ""
