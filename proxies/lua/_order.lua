-- Fragment: the two ways to choose from an index, which strategies are made of.
-- Expects: luck (0..1), and proxies/_pick.
-- Gives: by_turns, by_lot.

-- Draws ranks without an end to fairness: ZRANDMEMBER prefers some members of a large
-- set (chi-square over 1000 members: ten times what is fair). Gives each proxy once.
local function draw(size, most, visit)
  math.randomseed(math.floor(luck * 2147483647))
  local taken = {}
  for try = 0, math.min(size, most) - 1 do
    -- Fisher-Yates over ranks; taken holds what a swap has moved.
    local at = math.random(try, size - 1)
    local rank = taken[at] or at
    taken[at] = taken[try] or try
    local found = redis.call("ZRANGE", indexes .. index, rank, rank)
    if visit(found[1]) then return end
  end
end

-- Of some drawn by lot, the one with the least load: no index is kept for it.
local function by_lot(draws, load)
  local best, least, seen = nil, math.huge, 0
  draw(redis.call("ZCARD", indexes .. index), 1024, function(proxy)
    local p = candidate(proxy)
    if not p then return false end
    seen = seen + 1
    -- Without a load, a degraded one is passed by three times out of four.
    local is = load and load(p) * p.share or (p.share > 1 and luck > 0.25 and 1 or 0)
    if is < least then best, least = proxy, is end
    return seen >= (load and draws or least == 0 and 1 or 4)
  end)
  return best
end

-- Stride scheduling: the proxy whose turn is lowest, and it moves that many turns on.
local function by_turns(turns)
  local seen, windows = 0, {1, 16, 1024}
  for try = 1, #windows do
    local last = windows[try] + hidden
    local found = redis.call("ZRANGE", indexes .. index, seen, last - 1, "WITHSCORES")
    for i = 1, #found, 2 do
      local p = candidate(found[i])
      if p then
        local turn = found[i + 1] + turns(p) * p.share
        redis.call("ZADD", indexes .. index, turn, found[i])
        return found[i]
      end
    end
    if #found < 2 * (last - seen) then return nil end
    seen = last
    -- Those that are banned or full gather at the head; a draw passes them by.
    local drawn = try > 1 and by_lot(1)
    if drawn then return drawn end
  end
end
