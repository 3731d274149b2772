-- Fragment: how many sessions a pool may have.
-- Expects: sessions/_session, sessions/_expire.
-- Gives: room.

-- Is there room for one more? The clean-up may be late, so expired ones go first; if
-- the pool says so, then one that nobody uses and that would end soon anyway.
local function room(most, evicts)
  if most == 0 or redis.call("ZCARD", expiry) < most then return true end
  expire(8)
  if redis.call("ZCARD", expiry) < most then return true end
  if not evicts then return false end
  local first, proxy, least = nil, nil, math.huge
  local function look(next)
    for i = 1, #next do
      if first and i > 16 then return end
      local s = redis.pcall("HMGET", sessions .. next[i], "p", "x", "d")
      local ends = ending(s)
      -- The index is lazy: now those used since go to where they belong.
      if ends ~= 0 then renew(next[i], ends or later) end
      if ends and s[1] and tonumber(s[3]) <= now and tonumber(s[2]) < least then
        first, proxy, least = next[i], s[1], tonumber(s[2])
      end
    end
  end
  look(redis.call("ZRANGE", expiry, 0, 255))
  -- All of those are leased: idle ones that end later are anywhere.
  if not first then look(redis.call("ZRANDMEMBER", expiry, 256)) end
  if first then remove(first, proxy, "evicted") end
  return first ~= nil
end
