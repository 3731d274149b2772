-- Try a strategy on proxies that do not exist, so that a mistake in it is known before a
-- session needs it. Changes nothing.
-- KEYS: none
-- ARGV: 1 name of its file, 2 its text
-- Returns: what is wrong with it, with the line; "" for nothing

local name, text = unpack(ARGV)
local samples = {
  {inflight = 0, sessions = 0, weight = 1, ema = 300},
  {inflight = 9, sessions = 99, weight = 0.01, ema = 12.5},
}
local chosen = {}

local function figures(of, what, least)
  for i = 1, #samples do
    local is = of(samples[i])
    if type(is) ~= "number" or is ~= is or is < least or is == math.huge then
      error(what .. " must be a number from " .. least .. " on, not " .. tostring(is), 0)
    end
  end
end

local function by_turns(turns)
  -- One that costs no turn would be chosen for ever.
  figures(turns, "turns", 1e-6)
  return chosen
end

local function by_lot(draws, load)
  figures(function() return draws end, "draws", 1)
  if load then figures(load, "load", 0) end
  return chosen
end

-- In front of its first line, so that an error has the line as the file has it.
local strategy, wrong = loadstring("local by_turns, by_lot = ... " .. text, "=" .. name)
if not strategy then return wrong end
local well, found = pcall(strategy, by_turns, by_lot)
if well and found == chosen then return "" end
if well then return name .. ": it must end with return by_turns(…) or by_lot(…)" end
local told = type(found) == "table" and found.err or tostring(found)
return string.find(told, name, 1, true) and told or name .. ": " .. told
