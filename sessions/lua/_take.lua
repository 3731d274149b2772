-- Fragment: lease one session.
-- Expects: sessions/_failover, sessions/_hold, sessions/_bury.
-- Gives: take.

local function busy(sid, wait, why)
  redis.call("HINCRBY", counters, "busy", 1)
  refused(sid, why)
  return {"B", wait, why}
end

local function take(sid, may_create)
  local names = {"p", "g", "i", "x", "a", "n", "d", "k", "v", "t", "o", "u", "b", "f"}
  local found = redis.call("HMGET", sessions .. sid, unpack(names))
  local s = {}
  for i = 1, #names do s[names[i]] = found[i] or nil end
  local deadline, o, others = tonumber(s.d or 0), options(s.o), 0
  if s.p and deadline > now then
    local mine = o.leases > 1 and redis.call("ZSCORE", leases, token_of(sid, s))
    if mine or held_by(s) == nonce then
      return reply("R", sid, s, o)
    elseif o.leases == 1 then
      return busy(sid, deadline - now, "leased")
    end
    bury(8)
    others = tonumber(redis.call("HGET", sessions .. sid, "f"))
    if others >= o.leases then return busy(sid, deadline - now, "leased") end
    if others == 0 then deadline = 0 end
  elseif s.p and deadline > 0 then
    s.i, s.k, deadline = dismiss(sid, s, o, s.u), "", 0
  end
  local status = "H"
  if s.p then
    local over = tonumber(s.x) <= now and deadline <= now
    local spent = o.most > 0 and tonumber(s.n) >= o.most
    -- However well it is used: nobody else gets in until those who hold it are done.
    local aged = tonumber(s.a) <= now or (not o.renew and tonumber(s.x) <= now)
    if (spent or aged) and others > 0 then return busy(sid, deadline - now, "leased") end
    if over or spent then
      remove(sid, s.p, spent and "max_requests" or s.x == s.a and "max_age" or "idle")
      s.p = nil
    end
  end
  if not s.p then
    if not may_create then return nil end
    -- Bounded even where no clean-up runs: newcomers see more out than come in.
    if luck < 0.1 then
      bury(16)
      expire(16)
    end
    local made, more = create(sid)
    if not made then return more end
    status, s, o, deadline = "C", made, more, 0
  else
    local wait = tonumber(s.u or 0) - now
    if wait > 0 then return busy(sid, wait, "delay") end
    local d = look(s)
    if not d.fit then
      if others > 0 then return busy(sid, deadline - now, "leased") end
      local before = s.p
      local refusal = leave_proxy(sid, s, o, d)
      if refusal then return refusal end
      if s.p ~= before then status = "F" end
    elseif d.full then
      return busy(sid, 1000, "proxy_full")
    end
  end
  return hold(status, sid, s, o, deadline, others)
end
