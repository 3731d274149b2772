-- Fragment: sessions have left their proxies.
-- Expects: live, static (key prefixes), loads.
-- Gives: leave, leave_all, and what proxies/_forget gives.
--@include proxies/_forget

-- Nobody has a session there now. One of which there is nothing else is damage.
local function emptied(proxy)
  local d = redis.pcall("HMGET", live .. proxy, "mode", "inflight")
  if not d[1] then
    redis.call("HDEL", loads, proxy)
  elseif d[1] == "removed" and d[2] == "0" then
    forget(proxy)
  end
end

local function leave(proxy)
  -- A count that is none is an error, which is a table; the rest goes on.
  local left = redis.pcall("HINCRBY", loads, proxy, "-1")
  if type(left) == "number" and left <= 0 then emptied(proxy) end
end

-- gone: proxy -> how many have left. Two commands for all: one for each would take a
-- fifth of the clean-up.
local function leave_all(gone)
  local proxies, counts, empty = {}, {}, {}
  for proxy in pairs(gone) do proxies[#proxies + 1] = proxy end
  local had = #proxies > 0 and redis.pcall("HMGET", loads, unpack(proxies)) or {}
  for i = 1, #had do
    local count = had[i] or "0"
    -- As above, what is no count stays as it is.
    if #count < 16 and string.find(count, "^%-?%d+$") then
      local left = count - gone[proxies[i]]
      counts[#counts + 1], counts[#counts + 2] = proxies[i], string.format("%d", left)
      if left <= 0 then empty[#empty + 1] = proxies[i] end
    end
  end
  if #counts > 0 then redis.pcall("HSET", loads, unpack(counts)) end
  for i = 1, #empty do emptied(empty[i]) end
end
