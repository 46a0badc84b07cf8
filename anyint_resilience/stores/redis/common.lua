-- What the scripts share: the clock, and how a state is read and written. Must not know what a state means.
-- KEYS: 1 the value, 2 and 3 the indexes of passing and of kept entries. ARGV: 1 the time or "", 2 the entry's name,
-- 3 seconds to live. A value is "<when it expires>\n<JSON>"; an index has names, in the order of their last update.

local FOREVER = 1e12
local MONTH = 2592000000 -- ms

local moment = redis.call('TIME')
local turn = moment[1] * 1000000 + moment[2]
-- To 10 microseconds: cjson writes 14 digits, and a time that was rounded up would lie in the future.
local now = moment[1] - 1700000000 + math.floor(moment[2] / 10) / 100000
if ARGV[1] ~= '' then now = tonumber(ARGV[1]) end

-- What stands under a key: nil for nothing, "!" for what is no text.
local function text_at(key)
  local raw = redis.pcall('GET', key)
  if not raw then return nil end
  if type(raw) ~= 'string' then return '!' end
  local cut = string.find(raw, '\n', 1, true)
  local expires = cut and tonumber(string.sub(raw, 1, cut - 1))
  if not expires then return raw end
  if expires <= now then return nil end
  return string.sub(raw, cut + 1)
end

local function forget()
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[2])
  if KEYS[3] then redis.call('ZREM', KEYS[3], ARGV[2]) end
end

local function put(text, keep)
  local ttl = tonumber(ARGV[3])
  if ttl >= FOREVER then
    redis.call('SET', KEYS[1], '1e300\n' .. text)
  else
    local lasting = string.format('%.0f', math.max(1, math.ceil(ttl * 1000)))
    redis.call('SET', KEYS[1], string.format('%.6f\n', now + ttl) .. text, 'PX', lasting)
  end
  local index = keep and KEYS[3] or KEYS[2]
  redis.call('ZADD', index, string.format('%.0f', turn), ARGV[2])
  redis.call('PEXPIRE', index, MONTH)
  if KEYS[3] then redis.call('ZREM', keep and KEYS[2] or KEYS[3], ARGV[2]) end
end
