-- Write down which pages of a job are done. The first word on a page stays.
-- KEYS: 1 the job's notes
-- ARGV: 1 how long to keep them in ms, 2 and on: item, what is noted of it
-- Returns: how many pages are noted now

local notes, keep = KEYS[1], ARGV[1]

for i = 2, #ARGV, 2 do redis.call("HSETNX", notes, ARGV[i], ARGV[i + 1]) end
redis.call("PEXPIRE", notes, keep)
return redis.call("HLEN", notes)
