-- Fragment: the sorted sets that proxies are picked from, one for each filter and
-- strategy in use.
-- Expects: live, static, indexes (key prefixes), registry, usable.
-- Gives: belongs, join, enter, quit.

-- filter: "all", or the labels that a proxy must have, joined by "&".
local function belongs(labels, filter)
  if filter == "all" then return true end
  for label in string.gmatch(filter, "[^&]+") do
    if not string.find(labels, "|" .. label .. "|", 1, true) then return false end
  end
  return true
end

-- Newcomers join at the head's turn: behind nobody, and with no backlog to catch up.
local function join(index, proxy)
  local head = redis.call("ZRANGE", indexes .. index, 0, 0, "WITHSCORES")
  redis.call("ZADD", indexes .. index, "NX", head[2] or 0, proxy)
end

local function each_index(proxy, act)
  local labels = redis.call("HGET", static .. proxy, "labels") or ""
  local all = redis.call("HKEYS", registry)
  for i = 1, #all do
    if belongs(labels, string.match(all[i], "^(.+):")) then act(all[i], proxy) end
  end
end

local function enter(proxy)
  redis.call("ZADD", usable, 0, proxy)
  each_index(proxy, join)
end

local function quit(proxy)
  redis.call("ZREM", usable, proxy)
  each_index(proxy, function(index) redis.call("ZREM", indexes .. index, proxy) end)
end
