-- When a message is to be taken.
-- Gives: due(headers)

-- A time as Celery writes it (ISO 8601 with an offset) as Unix time, or nil. Days are
-- counted as in Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
local function unix(text)
  if type(text) ~= 'string' then
    return nil
  end
  local date, clock = '^(%d%d%d%d)-(%d%d)-(%d%d)[T ]', '(%d%d):(%d%d):(%d%d%.?%d*)(.*)$'
  local y, mon, d, h, min, s, zone = text:match(date .. clock)
  zone = zone == 'Z' and '+00:00' or zone or ''
  local sign, zh, zm = zone:match('^([+-])(%d%d):?(%d%d)$')
  if not sign or mon < '01' or mon > '12' then
    return nil
  end
  y, mon = tonumber(y), tonumber(mon)
  if mon < 3 then
    y, mon = y - 1, mon + 12
  end
  local leaps = math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
  local days = 365 * y + leaps + math.floor((153 * mon - 457) / 5) + d - 719469
  local offset = (zh * 60 + zm) * (sign == '-' and -60 or 60)
  return days * 86400 + h * 3600 + min * 60 + s - offset
end

-- When a message is to be looked at: at its ETA, or when it expires if that is before.
-- Nil: at once, or it says so in a way that Celery alone can read.
local function due(headers)
  local eta = unix(headers.eta)
  return eta and math.min(eta, unix(headers.expires) or eta)
end
