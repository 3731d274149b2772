-- What a message says of itself.
-- Gives: read(message)

-- Half a surrogate pair is a letter to Python's JSON, and an error to that of Redis.
local function decode(text)
  local fine, found = pcall(cjson.decode, text)
  if not fine then
    local other = text:gsub('\\u[dD][89a-fA-F]%x%x', '\\ufffd')
    fine, found = pcall(cjson.decode, other)
  end
  return fine and found
end

-- Its delivery tag and its headers; nil where it is none of kombu's.
local function read(text)
  local message = decode(text)
  local properties = type(message) == 'table' and message.properties
  if type(properties) ~= 'table' or type(properties.delivery_info) ~= 'table' then
    return nil
  end
  local headers = message.headers
  if headers ~= nil and headers ~= cjson.null and type(headers) ~= 'table' then
    return nil
  end
  local tag = properties.delivery_tag
  if type(tag) ~= 'string' or tag == '' then
    return nil
  end
  return { tag = tag, headers = type(headers) == 'table' and headers or {} }
end
