-- Become the active beat, or stay it; and learn what was sent when.
--
-- KEYS: 1 who is active, 2 what is known of it, 3 when each entry was sent last
-- ARGV: 1 token of this beat, 2 its name, 3 how long it is active unrenewed, in ms
-- Returns: {1, now in ms, entries and times as a flat list}, or {0, now in ms} when
--          another one is active

local active, beat, sent = KEYS[1], KEYS[2], KEYS[3]
local token, name, hold = unpack(ARGV)
local clock = redis.call("TIME")
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
--@include limpet/_sound
sound(active, "string")
sound(beat, "hash")
sound(sent, "hash")

local holder = redis.call("GET", active)
if holder and holder ~= token then return {0, now} end
-- A full Redis lets a script whose first write takes no room.
redis.call("HDEL", beat, "")
redis.call("SET", active, token, "PX", hold)
if holder ~= token then redis.call("HSET", beat, "name", name, "since", now) end
redis.call("HSET", beat, "tick", now)
return {1, now, redis.call("HGETALL", sent)}
