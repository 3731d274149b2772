-- Fragment: a key of ours that something else has written to is of no use to anybody.
-- Gives: sound, which makes room where a key is of another type than it should be.

local function sound(key, kind)
  local found = redis.call("TYPE", key).ok
  if found ~= "none" and found ~= kind then redis.call("DEL", key) end
end
