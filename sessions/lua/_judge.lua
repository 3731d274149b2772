-- Fragment: how many blocks and failures a session may meet.
-- Expects: nothing.
-- Gives: judge.

-- Errors add up, each success takes half of one off; at the limit the session has been
-- found out, and ends. As crawlee's sessions do: 1 an error, 0.5 a success, 3 the limit.
-- What is the proxy's fault counts there; what may be anybody's counts here too. A
-- pooled session ends at its first block, since there are others like it.
-- Returns: the new score, and why the session ends, or nil.
local function judge(score, kind, fault, limit, pooled)
  if kind == "ok" then return math.max(0, score - 0.5), nil end
  local error = kind == "blocked" and 1 or kind == "fault" and fault < 1 and fault or 0
  local ends = limit > 0 and error > 0
    and (score + error >= limit or (pooled and kind == "blocked"))
  return score + error, ends and (kind == "blocked" and "blocked" or "errors") or nil
end
