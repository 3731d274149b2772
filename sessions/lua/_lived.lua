-- Fragment: what is kept of sessions that end.
-- Expects: sessions/_keys.
-- Gives: FIGURES (their fields; in place of the last one their id is told), lived,
-- count_lives.

local FIGURES = {"p", "x", "d", "a", "m", "n", "g", "y", "v"}

-- For how long, in ms: counted by powers of two of seconds, which none of them reached.
-- A record that makes no sense is not counted.
local tonumber, frexp = tonumber, math.frexp
local function lived(ends, s, counts)
  local most, age = tonumber(s[4]), tonumber(s[5])
  if not (most and age) then return counts end
  local ms = ends - most + age
  if ms < 0 then ms = 0 end
  local _, power = frexp(ms / 1000)
  if power < 0 then power = 0 end
  counts[power] = (counts[power] or 0) + 1
  counts.sum = (counts.sum or 0) + ms
  return counts
end

local function count_lives(counts)
  for power, count in pairs(counts) do
    redis.pcall("HINCRBY", lifetimes, power, string.format("%.0f", count))
  end
end
