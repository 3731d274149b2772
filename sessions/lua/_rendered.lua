-- Fragment: what a session keeps of a page in a browser.
-- Expects: key, rendered, and set of sessions/_note.
-- Gives: nothing; it is done where it stands.

if rendered ~= "" then
  local took, within = string.match(rendered, "^(%d+) (%d+)$")
  local r = redis.call("HMGET", key, "c", "r", "h")
  local found = 0
  -- "bound:count bound:count", as few as there are: most sessions have a handful.
  local spread = string.gsub(r[3] or "", "(%d+):(%d+)", function(bound, count)
    if bound ~= within then return nil end
    found = 1
    return string.format("%s:%d", bound, count + 1)
  end)
  if found == 0 then spread = spread .. (r[3] and " " or "") .. within .. ":1" end
  set("c", (r[1] or 0) + 1)
  set("r", (r[2] or 0) + took)
  set("h", spread)
end
